"""Send out: people, consents and suppressions as files that come in again as they were."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec

from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.domain.profile.trait_times import Repeats, TraitTimes
from engage.domain.project_settings import ProjectSettings
from engage.engine.people.listfile import Format, Writer
from engage.engine.people.profiles import guessed
from engage.ports.exporting import Exporting

CONSENT = ("profile", "address", "channel", "topic", "state", "at", "source", "proof")
SUPPRESSION = ("address", "channel", "reason", "at", "source")
_encoder = msgspec.json.Encoder(decimal_format="number")


class SendOut:
    """Writes files. Sensitive values are covered."""

    def __init__(self, exporting: Exporting, settings: ProjectSettings) -> None:
        """Write what `exporting` reads."""
        self._exporting, self._covered = exporting, settings.covered

    def people(self, file: BinaryIO, kind: Format) -> int:
        """Write everybody; return how many they are. A CSV has a column per identifier and trait, so it is read twice."""
        if kind is Format.JSONL:
            writer = Writer(file, kind)
            return _written(
                writer, (self._told(person, inside) for person, inside in self._exporting.people())
            )
        kinds, types = _columns(person for person, _ in self._exporting.people())
        names = [f"{name}{suffix}" for name, suffix in sorted(types.items())]
        writer = Writer(file, kind, ["id", *kinds, *names, "ids", "audiences"])
        writer.header()
        rows = (self._flat(person, inside, types) for person, inside in self._exporting.people())
        return _written(writer, rows)

    def _traits(self, person: Profile) -> Mapping[str, Any]:
        seen = self._covered.values({f"profile.{name}": value for name, value in person.traits.items()})
        return {name.removeprefix("profile."): value for name, value in seen.items()}

    def _told(self, person: Profile, inside: Sequence[str]) -> Mapping[str, Any]:
        return {
            "id": person.id,
            "ids": [f"{name.kind}:{name.value}" for name in person.identifiers],
            "traits": self._traits(person),
            "audiences": inside,
            "created_at": person.created_at,
        }

    def _flat(self, person: Profile, inside: Sequence[str], types: Mapping[str, str]) -> Mapping[str, Any]:
        cells: dict[str, Any] = {"id": person.id, "audiences": " ".join(inside) or None}
        more: list[str] = []
        for name in reversed(person.identifiers):
            if name.kind in cells:
                more.append(f"{name.kind}:{name.value}")
            else:
                cells[name.kind] = name.value
        cells["ids"] = _encoder.encode(more).decode() if more else None
        for trait, value in self._traits(person).items():
            if (suffix := types.get(trait)) is None:
                continue
            cells[f"{trait}{suffix}"] = _encoder.encode(value).decode() if suffix == ":json" else value
        return cells

    def consents(self, file: BinaryIO, kind: Format) -> int:
        """Write the present state of the ledger; return how many lines that is."""
        writer = Writer(file, kind, CONSENT)
        writer.header()
        return _written(
            writer,
            (
                {
                    "profile": name,
                    "address": line.address,
                    "channel": line.channel,
                    "topic": line.topic,
                    "state": line.state,
                    "at": line.at,
                    "source": line.source,
                    "proof": proof,
                }
                for line, name, proof in self._exporting.consents()
                if line.address is not None or name is not None
            ),
        )

    def suppressions(self, file: BinaryIO, kind: Format) -> int:
        """Write the addresses that must not be used; return how many they are."""
        writer = Writer(file, kind, SUPPRESSION)
        writer.header()
        return _written(
            writer,
            (
                {name: getattr(entry, name) for name in SUPPRESSION}
                for entry in self._exporting.suppressions()
            ),
        )

    def about(self, profile: ProfileId, file: BinaryIO) -> int:
        """Write everything held about a person as one JSON document; return how many rows that is."""
        held = self._exporting.about(profile)
        covered = {table: [self._cover(table, row) for row in rows] for table, rows in held.items()}
        file.write(
            msgspec.json.format(_encoder.encode({"profile": profile, "held": covered}), indent=2) + b"\n"
        )
        return sum(map(len, held.values()))

    def _cover(self, table: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        if table == "profile":
            seen = self._covered.values({f"profile.{name}": value for name, value in row["traits"].items()})
            times = msgspec.convert(row["trait_times"], dict[str, TraitTimes])
            return {
                **{name: value for name, value in row.items() if name != "told_again"},
                "traits": {name.removeprefix("profile."): value for name, value in seen.items()},
                "trait_times": Repeats(times, row["told_again"]).told(),
            }
        if table == "event":
            return {**row, "properties": self._covered.event(row["name"], row["properties"])}
        covered: Mapping[str, Any] = self._covered.properties(row) if self._covered else row
        return covered


def _written(writer: Writer, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    for row in rows:
        writer.row(row)
        count += 1
    return count


def _columns(people: Iterator[Profile]) -> tuple[list[str], dict[str, str]]:
    """Return the kinds of identifiers, and of each trait the suffix of its column that brings every value back as it was."""
    kinds: dict[str, None] = dict.fromkeys(("user_id", "email", "phone", "anonymous_id"))
    values: dict[str, set[str]] = {}
    for person in people:
        kinds.update(dict.fromkeys(name.kind for name in person.identifiers))
        for trait, value in person.traits.items():
            if trait not in ("email", "phone") or value != person.identifier(trait):
                values.setdefault(trait, set()).add(_manner(value))
    # A trait that is called as a column of ours would be read as that one.
    taken = {*kinds, "id", "ids", "audiences", "traits", "timestamp", "created_at"}
    return list(kinds), {trait: _suffix(found, taken=trait in taken) for trait, found in values.items()}


def _manner(value: Any) -> str:
    """Return how a value may be written so that it comes back as it was: `word` and `value` by themselves, else `text`, `json`."""
    if isinstance(value, str):
        if value == "" or value != value.strip():
            return "json"
        return "word" if guessed(value) == value else "text"
    again = guessed(_encoder.encode(value).decode())
    return "value" if type(again) is type(value) and again == value else "json"


def _suffix(manners: set[str], *, taken: bool) -> str:
    if manners <= {"word", "value"} and not taken:
        return ""
    return ":text" if manners <= {"word", "text"} else ":json"
