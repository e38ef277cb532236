"""Doer: does the story's deeds through the rooms that take them in, and notes what was answered."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from engage.domain.consent.consent import ConsentState, family
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import Identifier, Inbound, Receipt, Send, Signal, Start
from engage.domain.ids import DeliveryId, RunId, uuid7
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.consent import ConsentDesk, Wish
from engage.engine.accept.intake import Intake, Taken
from engage.engine.accept.requests import forgotten, sent, signalled, started
from engage.engine.canonical.call import Origin
from engage.engine.operate import (
    NoSuchVersionError,
    NotUnknownError,
    Operate,
    Operator,
    Resolution,
    Wanted,
    WrongStateError,
)
from engage.engine.publish.publish import Source
from engage.engine.receive import Receiver
from engage.ports.channel import Heard
from engage.ports.clock import Clock, NoHints
from engage.storage.coding import decoder
from engage.storage.memory import MemoryStore
from engage.testing.invariants import No, Outside
from engage.testing.webhooks import PATH, ScriptedWebhook, request_at
from tests.reliability.sim.story import CART_AGAIN, PROJECT, Deed, mail, phone


class Doer:
    """Whoever talks to us from outside. A deed may be done again: it was not answered, or the answer was lost."""

    def __init__(
        self,
        store: MemoryStore,
        settings: ProjectSettings,
        outside: Outside,
        clock: Clock,
        was_taken: Callable[[DeliveryId], bool],
    ) -> None:
        """`was_taken`: what the provider's people say when asked."""
        self._store, self._outside, self._clock, self._was_taken = store, outside, clock, was_taken
        self._intake = Intake(store, NoHints())
        self._acceptor = Acceptor(lambda: settings)
        self._desk = ConsentDesk(store, NoHints(), lambda: settings)
        self._webhook = ScriptedWebhook()
        self._receiver = Receiver([self._webhook])
        self._operate = Operate(store)
        self._suppressions: list[No] = []

    def do(self, deed: Deed) -> None:
        """Do a deed; return once it was answered."""
        getattr(self, f"_{deed.what}")(deed, self._clock.now())

    def hear(self, lane: int, receipt: Receipt) -> None:
        """Take a provider's webhook in."""
        self._receive(Heard(receipts=[(lane, receipt)]), self._clock.now())
        row = self._store.look().deliveries.get(receipt.delivery)
        if row is None or receipt.address is None:
            return  # whoever was erased meanwhile has no topics; their address is suppressed all the same
        channel = family(row.channel)
        if receipt.mark == Mark.UNSUBSCRIBED:
            self._forbid(
                channel=channel, address=receipt.address, topic=decoder(Delivery).decode(row.doc).topic
            )
        if receipt.suppress or (receipt.mark in (Mark.BOUNCED, Mark.COMPLAINED) and receipt.hard):
            self._forbid(channel=channel, address=receipt.address)
            self._suppressions.append(self._outside.noes[-1])

    def _forbid(self, **what: Any) -> None:
        """Note a no: it holds from its answer on."""
        self._outside.noes.append(No(since=self._clock.now(), **what))

    def _allow(self, now: datetime, is_meant: Callable[[No], bool]) -> None:
        """Note that a no is taken back: it may be over as soon as that is said."""
        self._outside.noes[:] = [
            replace(no, until=min(now, no.until or now)) if is_meant(no) else no for no in self._outside.noes
        ]

    def _receive(self, heard: Heard, now: datetime) -> None:
        self._webhook.says = heard
        received = self._receiver.receive(PATH, request_at(now))
        assert received is not None
        self._intake.store(received.taken)

    def _import(self, deed: Deed, now: datetime) -> None:
        self._call(replace(deed, at=deed.at - timedelta(days=20)), now, imported=True)

    def _call(self, deed: Deed, now: datetime, *, imported: bool = False) -> None:
        assert deed.body is not None
        message = f"{deed.person}/{deed.number}"
        # Said when it happened, however often it had to be sent.
        body = {**deed.body, "messageId": message, "timestamp": deed.at.isoformat()}
        origin = Origin(source="sim", received_at=now, imported=imported, rules=self._acceptor.rules())
        taken = self._acceptor.call(b"", body, origin)
        assert not taken.quarantined
        self._intake.store(taken)
        if body["type"] == "track":
            self._outside.told[message] = deed.person
        self._outside.back.add(deed.person)

    def _start(self, deed: Deed, now: datetime) -> None:
        run = RunId(uuid7(deed.at, "run", deed.person))
        fact = Start(message_id=f"start/{deed.person}", journey="code", person=_user(deed), run=run)
        self._intake.store(Taken((started(fact, now),)))
        self._outside.back.add(deed.person)

    def _send(self, deed: Deed, now: datetime) -> None:
        delivery = DeliveryId(uuid7(deed.at, "delivery", deed.person))
        fact = Send(
            message_id=f"send/{deed.person}",
            delivery=delivery,
            channel="sms",
            person=_user(deed),
            text="By hand",
            topic="orders",
            expires_at=deed.at + timedelta(hours=2),
        )
        self._intake.store(Taken((sent(fact, now),)))
        self._outside.asked[delivery] = deed.person
        self._outside.back.add(deed.person)

    def _signal(self, deed: Deed, now: datetime) -> None:
        fact = Signal(message_id="signal", event="Restocked", timestamp=deed.at, source="sim")
        self._intake.store(Taken((signalled(fact, now),)))

    def _stop(self, deed: Deed, now: datetime) -> None:
        self._text(deed, now, "STOP", "stop")
        self._forbid(channel="sms", address=phone(deed.number))

    def _yes(self, deed: Deed, now: datetime) -> None:
        address = phone(deed.number)
        self._allow(now, lambda no: no.address == address and no not in self._suppressions)
        self._text(deed, now, "START", "start")

    def _reply(self, deed: Deed, now: datetime) -> None:
        self._text(deed, now, "Thanks", None)

    def _text(self, deed: Deed, now: datetime, body: str, keyword: str | None) -> None:
        inbound = Inbound(
            message_id=f"{deed.what}/{deed.person}/{deed.at}",
            channel=Channel.SMS,
            sender=phone(deed.number),
            to="+15005550006",
            body=body,
            at=deed.at,
            keyword=keyword,
        )
        self._receive(Heard(inbound=(inbound,)), now)

    def _no(self, deed: Deed, now: datetime) -> None:
        address = mail(deed.person)
        wish = Wish(
            person=Identifier("email", address),
            channel="email",
            topic="offers",
            state=ConsentState.UNSUBSCRIBED,
            source="sim",
        )
        self._desk.change([wish], now)
        self._forbid(channel="email", address=address, topic="offers")

    def _forget(self, deed: Deed, now: datetime) -> None:
        self._intake.store(Taken((forgotten(_user(deed), now),)))
        self._outside.forgotten.add(deed.person)
        self._outside.lost_from_sight |= {phone(deed.number), mail(deed.person)}
        self._outside.back.discard(deed.person)

    # --- operators

    def _pause(self, deed: Deed, now: datetime) -> None:
        self._set_state(Wanted.PAUSE, now)
        self._forbid(journey="cart")

    def _resume(self, deed: Deed, now: datetime) -> None:
        self._allow(now, lambda no: no.journey == "cart")
        self._set_state(Wanted.RESUME, now)

    def _set_state(self, wanted: Wanted, now: datetime) -> None:
        with suppress(WrongStateError):  # the first try was done, and its answer lost
            self._operate.set_state("cart", wanted, Operator("sim", now))

    def _publish(self, deed: Deed, now: datetime) -> None:
        texts = {**PROJECT, ("journey", "cart"): CART_AGAIN}
        self._operate.publish(
            [Source(kind=k, name=n, text=text) for (k, n), text in texts.items()], Operator("sim", now)
        )

    def _rollback(self, deed: Deed, now: datetime) -> None:
        with suppress(NoSuchVersionError):  # nothing was published yet
            self._operate.rollback("cart", 1, Operator("sim", now))

    def _resolve(self, deed: Deed, now: datetime) -> None:
        for row in self._store.look().deliveries.where("status", Mark.UNKNOWN):
            how = Resolution.TAKEN if self._was_taken(row.id) else Resolution.NOT_TAKEN
            with suppress(NotUnknownError):  # somebody found out meanwhile
                self._operate.resolve(row.id, how, Operator("sim", now))

    def _hold(self, deed: Deed, now: datetime) -> None:
        self._operate.stop_sending("sms", True, Operator("sim", now))
        self._forbid(channel="sms")

    def _release(self, deed: Deed, now: datetime) -> None:
        self._allow(now, lambda no: no.address is None and no.journey is None)
        self._operate.stop_sending("sms", False, Operator("sim", now))


def _user(deed: Deed) -> Identifier:
    return Identifier("user_id", deed.person)
