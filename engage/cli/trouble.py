"""Commands about what did not go by itself: `quarantine list|replay`, `unknown list|resolve`."""

from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID

import click

from engage.bootstrap import Runtime
from engage.cli.session import opened, operator, say_json
from engage.domain.ids import DeliveryId
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake
from engage.engine.operate import Resolution
from engage.engine.quarantine import Replayed, replay
from engage.ports.clock import NoHints
from engage.ports.reading import Kept, Page
from engage.settings import load_settings

Item = TypeVar("Item")


def every(read: Callable[[str | None], Page[Item]]) -> Iterator[Item]:
    """Yield everything of a paged list."""
    after: str | None = None
    while True:
        page = read(after)
        yield from page.items
        after = page.next
        if after is None:
            return


@click.group("quarantine")
def quarantine_command() -> None:
    """Facts that could not be taken: kept with their reason, to be replayed."""


@quarantine_command.command("list")
@click.option("--limit", default=50, show_default=True, help="How many, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def quarantine_list_command(limit: int, as_json: bool) -> None:
    """List what lies in quarantine; payloads may hold personal data and are not shown."""
    with opened(load_settings()) as runtime:
        page = runtime.reading.quarantine(None, limit)
    if as_json:
        say_json([_shown(item) for item in page.items])
        return
    for item in page.items:
        fact = item.fact
        click.echo(
            f"  {item.id:8}  {fact.received_at:%Y-%m-%d %H:%M:%S}  {fact.source:10}  {fact.reason}: {fact.detail}"
        )
    click.echo("there are more; --limit shows them" if page.next else f"{len(page.items)} in quarantine")


def _shown(item: Kept) -> dict[str, object]:
    fact = item.fact
    return {
        "id": item.id,
        "received_at": fact.received_at,
        "source": fact.source,
        "reason": fact.reason,
        "detail": fact.detail,
        "bytes": len(fact.payload),
    }


@quarantine_command.command("replay")
@click.argument("ids", nargs=-1, type=int)
@click.option("--reason", help="Only those with this reason.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def quarantine_replay_command(ids: tuple[int, ...], reason: str | None, as_json: bool) -> None:
    """Take quarantined facts once more: those named by IDS, else all. What is still unfit stays, and exits 1."""

    def wanted(item: Kept) -> bool:
        return (not ids or item.id in ids) and (reason is None or item.fact.reason == reason)

    with opened(load_settings()) as runtime:
        pages, there = _walked(runtime, wanted)
        missing = sorted(set(ids) - there)
        if missing:
            raise click.UsageError(f"not in quarantine: {', '.join(map(str, missing))}")
        catalog = runtime.catalog
        acceptor, intake = Acceptor(lambda: catalog().settings), Intake(runtime.store, NoHints())
        done = Replayed()
        # Oldest first: their order among each other is the order in which they came.
        for cursor in reversed(pages):
            kept = [item for item in runtime.reading.quarantine(cursor).items[::-1] if wanted(item)]
            one = replay(runtime.store, acceptor, intake, kept)
            done.taken, done.known = done.taken + one.taken, done.known + one.known
            done.still += one.still
    if as_json:
        say_json(done)
    else:
        click.echo(f"{done.taken} taken, {done.known} were known already, {done.still} are still unfit")
    if done.still:
        raise SystemExit(1)


def _walked(runtime: Runtime, wanted: Callable[[Kept], bool]) -> tuple[list[str | None], set[int]]:
    """Return where every page of the quarantine begins, and who is wanted; never more than a page is held in memory."""
    pages: list[str | None] = [None]
    there: set[int] = set()
    while True:
        page = runtime.reading.quarantine(pages[-1])
        there.update(item.id for item in page.items if wanted(item))
        if page.next is None:
            return pages, there
        pages.append(page.next)


@click.group("unknown")
def unknown_command() -> None:
    """Deliveries of which the provider gave no answer."""


@unknown_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def unknown_list_command(as_json: bool) -> None:
    """List deliveries whose outcome is unknown, with when the provider is asked next; they settle by themselves."""
    with opened(load_settings()) as runtime:
        found = list(every(runtime.reading.unknown_deliveries))
    if as_json:
        say_json(
            [
                {
                    "delivery_id": delivery.id,
                    "channel": delivery.channel,
                    "topic": delivery.topic,
                    "journey": delivery.journey,
                    "step": delivery.step,
                    "unknown_since": delivery.unknown_since,
                    "asked_next": delivery.due_at,
                    "code": delivery.code,
                }
                for delivery in found
            ]
        )
        return
    for delivery in found:
        since = "" if delivery.unknown_since is None else f"since {delivery.unknown_since:%Y-%m-%d %H:%M:%S}"
        asked = "" if delivery.due_at is None else f", asked next {delivery.due_at:%H:%M:%S}"
        where = f"{delivery.journey or 'API'} {delivery.step or ''}".strip()
        click.echo(f"  {delivery.id}  {delivery.channel:8}  {where}  {since}{asked}")
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
    with opened(load_settings()) as runtime:
        done = []
        for key in deliveries:
            found = runtime.operate.resolve(_delivery_id(key), Resolution(how), operator(runtime))
            done.append({"delivery_id": found.id, "channel": found.channel, "as": how})
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
