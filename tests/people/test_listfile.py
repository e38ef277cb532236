"""Files of lists: what is written comes back, from any row on, and no cell is a formula."""

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engage.domain.fact import Call, Identifier, decode
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.accept import Acceptor
from engage.engine.people.bring_in import Misfit
from engage.engine.people.listfile import (
    Format,
    ListFileError,
    Place,
    Row,
    Writer,
    cell,
    header_of,
    read_rows,
)
from engage.engine.people.profiles import Profiles
from engage.engine.people.send_out import SendOut

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
tables = st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8)


def csv_of(table: list[list[str]]) -> io.BytesIO:
    file = io.BytesIO()
    writer = Writer(file, Format.CSV, ["a", "b", "c"])
    writer.header()
    for row in table:
        writer.row(dict(zip("abc", row, strict=True)))
    return file


@given(tables)
def test_what_is_written_is_read_again_but_for_blank_rows(table: list[list[str]]) -> None:
    rows = list(read_rows(csv_of(table), Format.CSV))

    assert [list(row.values.values()) for row in rows] == [row for row in table if any(row)]
    assert [row.problem for row in rows] == [None] * len(rows)


@given(tables, st.data())
def test_reading_goes_on_behind_any_row(table: list[list[str]], data: st.DataObject) -> None:
    file = csv_of(table)
    rows = list(read_rows(file, Format.CSV))
    done = data.draw(st.integers(0, len(rows)))
    place = Place(done, rows[done - 1].after) if done else Place()

    assert list(read_rows(file, Format.CSV, place)) == rows[done:]


@given(st.text(max_size=8) | st.integers() | st.decimals(allow_nan=False, allow_infinity=False))
def test_no_cell_is_a_formula(value: Any) -> None:
    text = cell(value)

    assert text[:1] not in ("=", "@", "\t", "\r")
    assert text[:1] not in ("+", "-") or re.fullmatch(r"[+-]\d+(\.\d+)?|-\d.*", text)


@given(tables)
def test_other_readers_read_the_same_cells(table: list[list[str]]) -> None:
    text = csv_of(table).getvalue().decode()
    read = [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)][1:]

    assert read == [[cell(value) for value in row] for row in table if any(row)]


def rows_of(text: str | bytes, kind: Format = Format.CSV) -> list[Row]:
    return list(read_rows(io.BytesIO(text if isinstance(text, bytes) else text.encode()), kind))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_separator_is_seen_by_the_header(separator: str) -> None:
    (row,) = rows_of(f"\ufeffuser_id{separator}plan\r\nu1{separator}pro, or more\r\n".replace(", or", " or"))

    assert dict(row.values) == {"user_id": "u1", "plan": "pro or more"}


def test_rows_that_cannot_be_read_say_why_and_keep_what_they_hold() -> None:
    short, latin, good = rows_of(b"a,b\n1\nx,caf\xe9\n1,2\n")

    assert (short.problem, dict(short.values)) == ("1 cells where the header has 2", {"a": "1"})
    assert latin.problem == "not UTF-8"
    assert good.problem is None
    file = io.BytesIO()
    Writer(file, Format.CSV, ["a", "b"]).row(latin.values)
    assert file.getvalue() == b"x,caf\xe9\r\n"


def test_lines_of_json_that_cannot_be_read_are_kept_as_they_are() -> None:
    broken, listed, good = rows_of('{"a": \n[1]\n{"a": 1.10}\n', Format.JSONL)

    assert (broken.values, listed.values) == ({"raw": '{"a":'}, {"raw": "[1]"})
    assert broken.problem
    assert listed.problem == "a line is one JSON object"
    assert str(good.values["a"]) == "1.10"


@pytest.mark.parametrize(("text", "told"), [("", "no header"), ("a,b,a\n1,2,3\n", "a twice")])
def test_a_file_without_a_proper_header_is_not_read(text: str, told: str) -> None:
    with pytest.raises(ListFileError, match=told):
        header_of(io.BytesIO(text.encode()))


def test_a_quote_that_is_never_closed_is_said() -> None:
    with pytest.raises(ListFileError, match=r"row 1 .* quote"):
        rows_of('a,b\n"x,' + "y\n" * 600_000)


# --- people


scalars = (
    st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.decimals(-(10**6), 10**6, places=2)
    | cells
    | st.sampled_from(["01234", "12", "true", "-1.5", "[1]", "{", "'=x", "=cmd()", "+1415", " x "])
)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(cells, scalars, max_size=2)
traits = st.dictionaries(st.sampled_from(["plan", "age", "zip", "tags", "note"]), values, max_size=3)


class Listed:
    """People who are given."""

    def __init__(self, people: list[Profile]) -> None:
        self._people = people

    def people(self) -> Any:
        """Yield them."""
        return iter([(person, ["vip"]) for person in self._people])

    def consents(self) -> Any:
        """Nothing."""
        return iter(())

    suppressions = consents

    def about(self, profile: ProfileId) -> Any:
        """Nothing."""
        return {}


def reading(kind: Format) -> Profiles:
    return Profiles(Acceptor(ProjectSettings), "digest", NOW, typed=kind is Format.JSONL)


def call_of(kind: Format, row: Row) -> Call:
    found = decode(reading(kind).read(row).fact.payload)
    assert isinstance(found, Call)
    return found


@given(st.sampled_from(Format), st.lists(traits, min_size=1, max_size=3))
@example(Format.CSV, [{"plan": "false"}, {"plan": False}])
@example(Format.CSV, [{"plan": "word"}, {"plan": 1}, {"plan": " x"}])
def test_people_come_back_as_they_were_sent_out(kind: Format, given: list[dict[str, Any]]) -> None:
    people = [
        Profile(
            id=ProfileId(f"00000000-0000-7000-8000-{number:012}"),
            bucket_key="b",
            created_at=NOW,
            lane=1,
            traits={**found, "email": f"Ada.{number}@Shop.example"},
            identifiers=[
                Identifier("user_id", f"u{number}"),
                Identifier("email", f"ada.{number}@shop.example"),
                Identifier("email", f"ada@{number}.example"),
                Identifier("anonymous_id", "007"),
            ],
        )
        for number, found in enumerate(given)
    ]
    file = io.BytesIO()
    SendOut(Listed(people), ProjectSettings()).people(file, kind)

    calls = [call_of(kind, row) for row in read_rows(file, kind)]

    assert [set(call.identifiers) for call in calls] == [set(person.identifiers) for person in people]
    for call, person in zip(calls, people, strict=True):
        assert repr(sorted(call.traits.items())) == repr(sorted(decoded(person.traits).items()))


def decoded(traits: dict[str, Any]) -> dict[str, Any]:
    """Return traits as the database gives them back: a number is an integer, or an exact decimal."""
    found: Any = msgspec.json.Decoder(dict, float_hook=Decimal).decode(
        msgspec.json.Encoder(decimal_format="number").encode(traits)
    )
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"plan": "pro"}, "nobody is named"),
        ({"user_id": ""}, "nobody is named"),
        ({"email": "ada"}, "email: no e-mail address"),
        ({"phone": "12"}, "phone: no phone number"),
        ({"user_id": "u", "age:number": "old"}, "age: `old` is no number"),
        ({"user_id": "u", "vip:boolean": "perhaps"}, "vip: `perhaps` is no boolean"),
        ({"user_id": "u", "tags:json": "[1"}, "tags:"),
        ({"ids": "ada"}, "ids:"),
        ({"user_id": "u", "timestamp": "yesterday"}, "timestamp"),
        ({"user_id": "x" * 501}, "user_id: at most 500"),
    ],
)
def test_a_row_that_means_nothing_says_what_to_write(values: dict[str, Any], told: str) -> None:
    with pytest.raises(Misfit, match=told):
        reading(Format.CSV).read(Row(1, values, 0))


def test_a_cell_means_what_its_column_says() -> None:
    row = {
        "user_id": "u",
        "zip:text": "123",
        "age:number": "36",
        "vip:boolean": "yes",
        "tags:json": '["a"]',
        "blank": "",
        "price": "9.90",
        "import_error": "mended",
    }

    assert call_of(Format.CSV, Row(1, row, 0)).traits == {
        "zip": "123",
        "age": 36,
        "vip": True,
        "tags": ["a"],
        "price": Decimal("9.90"),
    }


TOPICS = {"topics": {"newsletter": {"title": "Weekly News", "email": "opt_in"}}}


def wishing(**values: Any) -> Call:
    settings = ProjectSettings.model_validate(TOPICS)
    row = Row(1, {"userId": "u", "email": "Ada@Shop.example", "phone": "415 555 0101", **values}, 0)
    found = decode(Profiles(Acceptor(lambda: settings), "d", NOW, typed=False).read(row).fact.payload)
    assert isinstance(found, Call)
    return found


def test_segments_columns_of_consent_are_wishes_and_no_traits() -> None:
    call = wishing(
        email_subscription_status="Subscribed",
        sms_subscription_status="unsubscribed",
        whatsapp_subscription_status="did-not-subscribe",
        **{"Weekly News_subscription_status": "SUBSCRIBED", "newsletter_subscription_status": ""},
    )

    assert call.identifiers[0] == Identifier("user_id", "u")
    assert set(call.traits) == {"email", "phone"}
    assert {(wish.channel, wish.state, wish.topic, wish.address) for wish in call.subscriptions} == {
        ("email", "subscribed", None, "ada@shop.example"),
        ("email", "subscribed", "newsletter", "ada@shop.example"),
        ("sms", "unsubscribed", None, "+14155550101"),
    }


def test_a_trait_that_only_sounds_like_consent_stays_one() -> None:
    call = wishing(
        **{"gym_subscription_status": "since May", "premium_subscription_status:text": "subscribed"}
    )

    assert call.subscriptions == ()
    assert call.traits["gym_subscription_status"] == "since May"
    assert call.traits["premium_subscription_status"] == "subscribed"


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("email_subscription_status", "yes", "write subscribed, unsubscribed or did-not-subscribe"),
        ("newsletter_subscription_status", "1", "write subscribed"),
        ("letters_subscription_status", "subscribed", "no topic of this name"),
    ],
)
def test_what_is_no_status_or_no_topic_is_said(column: str, value: str, told: str) -> None:
    with pytest.raises(Misfit, match=told):
        wishing(**{column: value})


def test_null_deletes_a_trait_in_json_alone() -> None:
    assert call_of(Format.JSONL, Row(1, {"user_id": "u", "plan": None}, 0)).traits == {"plan": None}
