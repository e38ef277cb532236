"""Consent: what a person allowed on which address, channel and topic, and the one question "may we?"."""

from datetime import datetime
from enum import StrEnum

import msgspec

from engage.domain.delivery.delivery import Channel, SkipReason
from engage.domain.ids import ProfileId

EVERY_TOPIC = "*"
"""The topic under which STOP and other opt-outs of a whole channel stand in the ledger."""


class ConsentState(StrEnum):
    """A state of one (address or profile, channel, topic)."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    PENDING = "pending"


STRICTNESS = (ConsentState.SUBSCRIBED, ConsentState.PENDING, ConsentState.UNSUBSCRIBED)
"""The stricter later: what a merge keeps of two."""


class Policy(StrEnum):
    """What a topic asks for on one channel before a send."""

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"
    DOUBLE_OPT_IN = "double_opt_in"
    TRANSACTIONAL = "transactional"
    NEVER = "never"


class ConsentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger. Appended, never changed."""

    channel: str
    topic: str
    state: ConsentState
    at: datetime
    source: str
    address: str | None = None
    profile: ProfileId | None = None
    proof: str | None = None


class SuppressionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An address that must not be used on a channel; `lifted` takes it off the list again."""

    channel: str
    address: str
    reason: str
    at: datetime
    source: str
    lifted: bool = False


def state_after(wanted: ConsentState, policy: Policy, known: ConsentState | None) -> ConsentState:
    """Return what a wish makes of a subscription: a yes to a topic that asks twice waits for the second one."""
    if wanted is not ConsentState.SUBSCRIBED or policy is not Policy.DOUBLE_OPT_IN:
        return wanted
    return wanted if known is ConsentState.SUBSCRIBED else ConsentState.PENDING


def ledger_key(address: str) -> str:
    """Return the form under which the ledger compares an address: mail in lower case; phones are E.164 already."""
    return address.strip().lower() if "@" in address else address


def family(channel: str) -> str:
    """Return the channel under which consent is kept: mms follows sms."""
    return Channel.SMS if channel == Channel.MMS else channel


class Consents(msgspec.Struct):
    """The present view of the ledger for one person and the addresses at hand."""

    by_address: dict[tuple[str, str, str], ConsentState] = msgspec.field(default_factory=dict)
    """(channel, address, topic)"""
    by_profile: dict[tuple[str, str], ConsentState] = msgspec.field(default_factory=dict)
    """(channel, topic)"""
    suppressed: dict[tuple[str, str], str] = msgspec.field(default_factory=dict)
    """(channel, address) → reason"""

    def apply(self, entry: ConsentEntry) -> None:
        """Take one more line of the ledger into view; later lines win."""
        channel = family(entry.channel)
        if entry.address is not None:
            self.by_address[channel, entry.address, entry.topic] = entry.state
        if entry.profile is not None:
            self.by_profile[channel, entry.topic] = entry.state

    def any_yes(self, address: str | None) -> bool:
        """Return whether a yes stands at an address, for anything."""
        return any(
            where == address and state is not ConsentState.UNSUBSCRIBED
            for (_, where, _), state in self.by_address.items()
        )

    def refusal(self, channel: str, address: str, topic: str | None, policy: Policy) -> SkipReason | None:
        """Return why consent forbids this send, or None.

        Suppression, STOP and every other "no" hold for everything, transactional topics included; an opt-out
        follows both the address and the profile; an opt-in of SMS and voice belongs to the address alone.
        """
        kind, address = family(channel), ledger_key(address)
        if (kind, address) in self.suppressed:
            return SkipReason.SUPPRESSED
        for name in (topic or "", EVERY_TOPIC):
            if (
                self.by_address.get((kind, address, name)) is ConsentState.UNSUBSCRIBED
                or self.by_profile.get((kind, name)) is ConsentState.UNSUBSCRIBED
            ):
                return SkipReason.UNSUBSCRIBED
        return None if self._allowed(kind, address, topic or "", policy) else SkipReason.NOT_OPTED_IN

    def _allowed(self, kind: str, address: str, topic: str, policy: Policy) -> bool:
        here = self.by_address.get((kind, address, topic))
        match policy:
            case Policy.TRANSACTIONAL:
                return True
            case Policy.OPT_OUT:
                return here is not ConsentState.PENDING
            case Policy.OPT_IN | Policy.DOUBLE_OPT_IN:
                if here is None and kind == Channel.EMAIL:
                    here = self.by_profile.get((kind, topic))
                return here is ConsentState.SUBSCRIBED
            case Policy.NEVER:
                return False
