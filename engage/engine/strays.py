"""Strays: receipts that tell a provider's own id alone, and may be here before the answer to the call that gave us that id."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.fact import Receipt
from engage.engine.broadcast.agenda import is_due
from engage.ports.channel import Adrift
from engage.ports.storage import Job, Transaction

KIND = "stray"
AGAIN = timedelta(seconds=1)
"""How soon it is looked again whose a stray is."""
PATIENCE = timedelta(minutes=5)
"""How long it is looked: an answer takes seconds; what settles later is asked about its end anyway (see `reconcile`)."""


class Found(NamedTuple):
    """A stray whose delivery is known by now, and when it came."""

    delivery: Delivery
    receipts: Sequence[Receipt]
    received_at: datetime


def leave(tx: Transaction, adrift: Adrift, received_at: datetime) -> None:
    """Keep receipts until it is known whose they are; the same ones once."""
    for receipt in adrift.receipts:
        data = {
            "channel": str(adrift.channel),
            "ids": sorted(adrift.provider_ids),
            "receipt": msgspec.to_builtins(receipt),
            "received_at": received_at.isoformat(),
            "due": (received_at + AGAIN).isoformat(),
        }
        tx.jobs.save(Job(name=f"{KIND}:{receipt.receipt_id}", kind=KIND, data=data))


def are_due(jobs: Sequence[Job], now: datetime) -> bool:
    """Return whether among unfinished jobs is a stray that is to be looked at."""
    return any(job.kind == KIND and is_due(job, now) for job in jobs)


def look(tx: Transaction, now: datetime) -> tuple[list[Found], list[Job]]:
    """Return the strays whose delivery is known by now, and their jobs, still unfinished; those that are nobody's are over.

    One is nobody's of ours when nothing on its channel waits for its provider's id any more.
    """
    found: list[Found] = []
    jobs: list[Job] = []
    for job in tx.jobs.unfinished():
        if job.kind != KIND or not is_due(job, now) or tx.jobs.lock(job.name) is None:
            continue
        received_at = datetime.fromisoformat(job.data["received_at"])
        chats = tx.deliveries.chats(job.data["ids"])
        if chats:
            receipt = msgspec.convert(job.data["receipt"], Receipt)
            found.append(Found(chats[0], [receipt], received_at))
            jobs.append(job)
        elif now > received_at + PATIENCE or not tx.deliveries.on_the_way(Channel(job.data["channel"])):
            finish(tx, [job], now)
        else:
            job.data = {**job.data, "due": (now + AGAIN).isoformat()}
            tx.jobs.save(job)
    return found, jobs


def finish(tx: Transaction, jobs: Sequence[Job], now: datetime) -> None:
    """Look at these strays no more."""
    for job in jobs:
        job.finished_at = now
        tx.jobs.save(job)
