"""What the demo shows: progress while it plays, then the table per journey and channel, and the verdict of its audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engage.cli.client import Client
from engage.ports.auditing import Auditing
from engage.ports.reading import Reading, Totals

NUMBERS = ("entered", "sent", "delivered", "opened", "clicked", "replied", "failed", "unknown")
Counts = Mapping[str, Any]
PlainTotals = Mapping[str, Mapping[str, Counts]]


class Ledger(Reading, Auditing, Protocol):
    """Our own side of the books."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What came of the demo."""

    totals: PlainTotals
    duplicates: int
    lost: int
    unexplained: int
    ready: float
    total: float
    findings: Mapping[str, int]
    errors: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing was doubled, lost or left without a reason."""
        return not (self.duplicates or self.lost or self.unexplained)

    def as_json(self) -> dict[str, Any]:
        """Return the last line of `JSON=1`."""
        return {
            "journeys": self.totals["journeys"],
            "channels": self.totals["channels"],
            "duplicates": self.duplicates,
            "lost": self.lost,
            "unexplained": self.unexplained,
            "seconds": {"ready": round(self.ready, 1), "total": round(self.total, 1)},
        }


def audit(facts: Mapping[str, Any], ledger: Ledger, sandbox: Client, now: datetime) -> Verdict:
    """Hold our ledger against the sandbox's own log, once nothing is left to do.

    Lost is an accepted fact that nobody digested, a delivery without a final state, and one that only one side knows;
    doubled is what the sandbox accepted twice under one reference; unexplained is an end without a reason.
    """
    checked = ledger.audit()
    queues = ledger.queues(now)
    stats = sandbox.call("GET", "/_sandbox/stats")
    theirs, ours = _their_refs(sandbox), {str(ref) for ref in ledger.refs()}
    lost = {
        "facts not digested": int(queues["inbox"]),
        "facts in quarantine": int(queues["quarantine"]),
        "deliveries without an end": checked.open,
        "calls the API refused": len(facts["errors"]),
        "known to the sandbox only": len(theirs - ours),
        "known to us only": len(ours - theirs),
    }
    unexplained = {
        "deliveries without a reason": checked.unexplained_deliveries,
        "runs without a reason": checked.unexplained_runs,
        "runs that wait for nothing": checked.stuck_runs,
    }
    findings = {**lost, **unexplained}
    return Verdict(
        totals=as_plain(ledger.totals()),
        duplicates=_number(stats["duplicates"]),
        lost=sum(lost.values()),
        unexplained=sum(unexplained.values()),
        ready=facts["ready"],
        total=facts["total"],
        findings={name: number for name, number in findings.items() if number},
        errors=tuple(facts["errors"]),
    )


def as_plain(totals: Totals) -> PlainTotals:
    """Return totals as plain data."""
    plain: PlainTotals = msgspec.to_builtins(totals)
    return plain


def _number(value: Any) -> int:
    return len(value) if isinstance(value, list | dict) else int(value)


def _their_refs(sandbox: Client) -> set[str]:
    messages = sandbox.call("GET", "/_sandbox/messages?limit=100000")["messages"]
    return {message["ref"] for message in messages if message["ref"]}


def progress(found: Totals, now: datetime) -> RenderableType:
    """Return the picture while it plays."""
    totals = as_plain(found)
    clock = Text(f"in the shop it is {now:%A %H:%M}", style="bold")
    return Group(clock, table("journey", totals["journeys"]), table("channel", totals["channels"]))


def report(verdict: Verdict) -> RenderableType:
    """Return the table and the verdict."""
    words = f"{verdict.duplicates} duplicates, {verdict.lost} lost, {verdict.unexplained} unexplained"
    times = f"first delivery after {verdict.ready:.1f} s, all after {verdict.total:.1f} s"
    lines: list[RenderableType] = [
        table("journey", verdict.totals["journeys"]),
        table("channel", verdict.totals["channels"]),
        Text(f"{words}; {times}", style="green" if verdict.good else "bold red"),
    ]
    lines += [
        Text(f"  {name.replace('_', ' ')}: {number}", style="red")
        for name, number in verdict.findings.items()
    ]
    lines += [Text(f"  {error}", style="red") for error in verdict.errors]
    return Group(*lines)


def table(title: str, rows: Mapping[str, Counts]) -> Table:
    """Return one table of counts."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column(title)
    for name in NUMBERS:
        shown.add_column(name, justify="right")
    shown.add_column("skipped")
    for name, counts in rows.items():
        skipped = ", ".join(f"{reason} {number}" for reason, number in sorted(counts["skipped"].items()))
        shown.add_row(name, *(str(counts[number] or "·") for number in NUMBERS), skipped)
    return shown
