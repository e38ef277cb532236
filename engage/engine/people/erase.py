"""Erase: a person is gone from everywhere, and a proof that says nothing about them stays."""

from datetime import datetime

from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Forget, InboxRow
from engage.domain.ids import ProfileId
from engage.ports.storage import Transaction
from engage.ports.trail import AuditEntry

ERASED = "erased"
"""The action of the proof's line on the audit trail."""


def forget(tx: Transaction, row: InboxRow, fact: Forget, now: datetime) -> None:
    """Erase whom a fact names, in the turn that digests it.

    Raises:
        IdentityRaceError: the person was merged meanwhile; begin the turn again.
    """
    if fact.person.kind == "id":
        wanted = {ProfileId(fact.person.value)}
    else:
        wanted = set(tx.people.find([fact.person]).values())
    locked = tx.people.lock(wanted)
    if len(locked) < len(wanted) and fact.person.kind != "id":
        raise IdentityRaceError("a profile was merged or erased meanwhile")
    erased = tx.people.erase(list(locked), named=fact.person, before=row.seq)
    # The request's id is random: by it whoever asked finds the line, and nobody else learns anything from it.
    data = {"request": fact.message_id, "rows": erased.total, "tables": dict(erased.rows)}
    for subject in erased.proofs or ["nobody"]:
        tx.trail.add(AuditEntry(at=now, actor=fact.by or "engine", action=ERASED, subject=subject, data=data))
