"""Commands about what did not go by itself: `quarantine list|replay`, `unknown list|resolve`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from engage.api.reading import MAX_PAGE
from engage.api.shapes import kept_shape, page_shape, unknown_shape
from engage.bootstrap import Runtime
from engage.cli.remote import Remote, reached
from engage.cli.session import opened, operator, say_json
from engage.domain.ids import DeliveryId
from engage.domain.timing import parse_instant_text
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake
from engage.engine.operate import Resolution
from engage.engine.quarantine import Again, Meant
from engage.ports.clock import NoHints
from engage.ports.reading import PAGE
from engage.settings import load_settings


class Near:
    """The installation whose database the settings name."""

    def __init__(self, runtime: Runtime) -> None:
        """Work in `runtime`."""
        self._runtime = runtime
        catalog = runtime.catalog
        acceptor, intake = Acceptor(lambda: catalog().settings), Intake(runtime.store, NoHints())
        self._again = Again(runtime.store, runtime.reading, acceptor, intake)

    def quarantine(self, after: str | None, limit: int = PAGE) -> Mapping[str, Any]:
        """Return a page of the quarantine."""
        return page_shape(self._runtime.reading.quarantine(after, limit), kept_shape)

    def replay(self, after: str | None, meant: Meant) -> Mapping[str, int]:
        """Take those of a page again."""
        return asdict(self._again.page(after, meant))

    def unknown(self, after: str | None) -> Mapping[str, Any]:
        """Return a page of the deliveries of unknown outcome."""
        return page_shape(self._runtime.reading.unknown_deliveries(after), unknown_shape)

    def resolve(self, delivery: DeliveryId, how: Resolution) -> Mapping[str, Any]:
        """Say what became of one."""
        found = self._runtime.operate.resolve(delivery, how, operator(self._runtime))
        return {"delivery_id": found.id, "channel": found.channel, "as": how}


class Far:
    """A server on another machine."""

    def __init__(self, there: Remote) -> None:
        """Ask `there`."""
        self._there = there

    def quarantine(self, after: str | None, limit: int = PAGE) -> Mapping[str, Any]:
        """Return a page of the quarantine."""
        found: Mapping[str, Any] = self._there.get("/v1/quarantine", {"after": after, "limit": str(limit)})
        return found

    def replay(self, after: str | None, meant: Meant) -> Mapping[str, int]:
        """Take those of a page again."""
        wanted = {"after": after, "ids": sorted(meant.ids), "reason": meant.reason}
        done: Mapping[str, int] = self._there.post("/v1/quarantine/replay", wanted)
        return done

    def unknown(self, after: str | None) -> Mapping[str, Any]:
        """Return a page of the deliveries of unknown outcome."""
        found: Mapping[str, Any] = self._there.get("/v1/unknown", {"after": after})
        return found

    def resolve(self, delivery: DeliveryId, how: Resolution) -> Mapping[str, Any]:
        """Say what became of one."""
        done: Mapping[str, Any] = self._there.put(f"/v1/unknown/{delivery}", {"as": str(how)})
        return done


@contextmanager
def _place() -> Iterator[Near | Far]:
    """Open the installation that the settings name, here or on another machine."""
    settings = load_settings()
    if settings.api_url is not None:
        with reached(settings) as there:
            yield Far(there)
    else:
        with opened(settings) as runtime:
            yield Near(runtime)


@click.group("quarantine")
def quarantine_command() -> None:
    """Facts that could not be taken: kept with their reason, to be replayed."""


@quarantine_command.command("list")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many, the newest first."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def quarantine_list_command(limit: int, as_json: bool) -> None:
    """List what lies in quarantine; payloads may hold personal data and are not shown."""
    with _place() as place:
        items, following = _newest(place, limit)
    if as_json:
        say_json(items)
        return
    for item in items:
        at = _told(item["received_at"], "%Y-%m-%d %H:%M:%S")
        click.echo(f"  {item['id']:8}  {at}  {item['source']:10}  {item['reason']}: {item['detail']}")
    click.echo("there are more; --limit shows them" if following else f"{len(items)} in quarantine")


def _newest(place: Near | Far, limit: int) -> tuple[list[Any], str | None]:
    """Return the newest of the quarantine, and where the rest begins; a server gives so many at a time only."""
    items: list[Any] = []
    following: str | None = None
    while len(items) < limit:
        page = place.quarantine(following, min(limit - len(items), MAX_PAGE))
        items += page["items"]
        following = page["next"]
        if following is None:
            break
    return items, following


def _told(at: datetime | str, form: str) -> str:
    """Return an instant as it is shown; the API tells instants as text."""
    found = parse_instant_text(at) if isinstance(at, str) else at
    return str(at) if found is None else f"{found:{form}}"


@quarantine_command.command("replay")
@click.argument("ids", nargs=-1, type=int)
@click.option("--reason", help="Only those with this reason.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def quarantine_replay_command(ids: tuple[int, ...], reason: str | None, as_json: bool) -> None:
    """Take quarantined facts once more: those named by IDS, else all. What is still unfit stays, and exits 1."""

    meant = Meant(frozenset(ids), reason)
    done = {"taken": 0, "known": 0, "still": 0}
    with _place() as place:
        pages, there = _walked(place)
        missing = sorted(meant.ids - there)
        if missing:
            raise click.UsageError(f"not in quarantine: {', '.join(map(str, missing))}")
        # Oldest first: their order among each other is the order in which they came.
        for cursor in reversed(pages):
            one = place.replay(cursor, meant)
            done = {name: count + one[name] for name, count in done.items()}
    if as_json:
        say_json(done)
    else:
        click.echo(
            f"{done['taken']} taken, {done['known']} were known already, {done['still']} are still unfit"
        )
    if done["still"]:
        raise SystemExit(1)


def _walked(place: Near | Far) -> tuple[list[str | None], set[int]]:
    """Return where every page of the quarantine begins, and who is there; never more than a page is held in memory."""
    pages: list[str | None] = [None]
    there: set[int] = set()
    while True:
        page = place.quarantine(pages[-1])
        there.update(item["id"] for item in page["items"])
        if page["next"] is None:
            return pages, there
        pages.append(page["next"])


@click.group("unknown")
def unknown_command() -> None:
    """Deliveries of which the provider gave no answer."""


@unknown_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def unknown_list_command(as_json: bool) -> None:
    """List deliveries whose outcome is unknown, with when the provider is asked next; they settle by themselves."""
    with _place() as place:
        page = place.unknown(None)
        found = list(page["items"])
        while page["next"] is not None:
            page = place.unknown(page["next"])
            found += page["items"]
    if as_json:
        say_json(found)
        return
    for one in found:
        since = (
            ""
            if one["unknown_since"] is None
            else f"since {_told(one['unknown_since'], '%Y-%m-%d %H:%M:%S')}"
        )
        asked = "" if one["asked_next"] is None else f", asked next {_told(one['asked_next'], '%H:%M:%S')}"
        where = f"{one['journey'] or 'API'} {one['step'] or ''}".strip()
        click.echo(f"  {one['delivery_id']}  {one['channel']:8}  {where}  {since}{asked}")
    click.echo(f"{len(found)} of unknown outcome")


@unknown_command.command("resolve")
@click.argument("deliveries", nargs=-1, required=True, metavar="ID…")
@click.option(
    "--as",
    "how",
    type=click.Choice([str(one) for one in Resolution]),
    required=True,
    help="taken: the provider has it. not-taken: send it again. failed: give it up.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def unknown_resolve_command(deliveries: tuple[str, ...], how: str, as_json: bool) -> None:
    """Say what became of deliveries whose outcome nobody knew, once the provider's own console told you.

    `not-taken` sends again: a person gets the message twice if the provider had it after all. The workers act on it
    within a second; it is on the audit trail.
    """
    wanted = [_delivery_id(key) for key in deliveries]
    with _place() as place:
        done = [place.resolve(delivery, Resolution(how)) for delivery in wanted]
    if as_json:
        say_json(done)
        return
    for one in done:
        click.echo(f"  {one['delivery_id']}  {one['channel']:8}  {_RESOLVED[Resolution(how)]}")


_RESOLVED = {
    Resolution.TAKEN: "counts as sent",
    Resolution.NOT_TAKEN: "is sent again",
    Resolution.FAILED: "is given up",
}


def _delivery_id(text: str) -> DeliveryId:
    try:
        return DeliveryId(str(UUID(text)))
    except ValueError as exc:
        raise click.UsageError(f"`{text}` is no delivery; `engage unknown list` shows their ids") from exc
