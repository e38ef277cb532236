"""Walk: how one run moves through its journey, step after step, until it rests or ends."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engage.domain.catalog import LiveJourney
from engage.domain.consent import ConsentEntry, ConsentState, Policy, SuppressionEntry, family
from engage.domain.decision import Decided, EndReason
from engage.domain.delivery import Delivery, Mark, Priority
from engage.domain.expression import Expression, Scope, Text, text_of
from engage.domain.fact import Identifier, Start
from engage.domain.ids import DeliveryId, RunId, uuid7
from engage.domain.journey import Journey
from engage.domain.person import Person
from engage.domain.profile import Event
from engage.domain.run import Run, StepDelivery
from engage.domain.steps.base import End, Go, Move, Node, Park, Stimulus
from engage.domain.steps.send import Send
from engage.domain.timing import zone_of
from engage.domain.turn import Follow, Turn

MAX_MOVES = 20_000
"""Steps a run may take without resting; more is a loop that waits for nothing (1,000 turns of 20 steps fit)."""


class RunWalk:
    """What the step at hand may see and do. Implements `steps.base.Walk`."""

    def __init__(self, turn: Turn, person: Person, run: Run, journey: Journey) -> None:
        self.turn, self.person, self.run, self.journey = turn, person, run, journey
        self.now = turn.now
        self.journey_name = run.journey
        self.bucket_key = person.profile.bucket_key
        self.node: Node | None = None
        self.reason: str | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The person's zone; an invalid one is recorded and replaced by the project's."""
        zone, invalid = self.person.zone(self.turn.catalog.settings)
        if invalid:
            self.note("zone_invalid", values={"timezone": self.person.profile.traits.get("timezone")})
        return zone

    def scope(self, event: Event | None = None) -> Scope:
        """See `Walk.scope`; without an event, `event` is the last matched one, else the entry."""
        looked_at = event.properties if event is not None else (self.run.event or self.run.entry)
        return self.person.scope(self.turn.catalog.settings, self.now, event=looked_at, run=self.run)

    def fill(self, data: Any) -> Any:
        """See `Walk.fill`."""
        return fill(data, self.scope())

    def zone_of(self, name: str | None) -> ZoneInfo:
        """See `Walk.zone_of`."""
        if name is None or name == "person":
            return self.zone
        return zone_of(name, self.turn.catalog.settings.zone)[0]

    def chosen(self, step: str) -> str | None:
        """See `Walk.chosen`."""
        return self.turn.choices.arm(self.person, step)

    def ask(self, node: Node, send: Send) -> None:
        """See `Walk.ask`: `(run, step, visit)` names the delivery, so that asking twice is asking once."""
        visit = self.run.visits.get(node.id, 0) + 1
        self.run.visits = {**self.run.visits, node.id: visit}
        delivery = self._delivery(node, send, visit)
        self.turn.deliveries[delivery.id] = delivery
        self.turn.changes.deliveries[delivery.id] = delivery
        self.run.deliveries = {
            **self.run.deliveries,
            node.id: StepDelivery(id=delivery.id, channel=delivery.channel),
        }

    def _delivery(self, node: Node, send: Send, visit: int) -> Delivery:
        form, settings, scope = send.form, self.turn.catalog.settings, self.scope()
        topic = form.topic or self.journey.topic
        to = None if form.to is None else form.to.value(scope)
        expires, asked_at = send.expires, self.turn.planned or self.now
        return Delivery(
            id=DeliveryId(uuid7(self.now, self.run.id, node.id, str(visit))),
            profile=self.person.id,
            lane=self.person.profile.lane,
            channel=send.channel,
            topic=topic,
            template=form.template,
            text=None if form.text is None else form.text.source,
            variables=fill(form.with_, scope),
            to=None if form.to is None else ("" if to is None else text_of(to)),
            sender=form.sender,
            run=self.run.id,
            journey=self.run.journey,
            version=self.run.version,
            step=node.id,
            visit=visit,
            priority=Priority.URGENT if settings.is_urgent(topic) else Priority.LIVE,
            held_out=self.run.held_out,
            context=_context(self.run),
            asked_at=asked_at,
            due_at=self.now,
            expires_at=None if expires is None else asked_at + expires,
        )

    def happened_since(self, since: datetime, name: str) -> Sequence[Event]:
        """See `Walk.happened_since`: never the event that started the run, nor one that satisfied a wait."""
        hidden = {self.run.started_by, *self.run.consumed}
        return [
            event
            for event in self.person.history.matching(name)
            if isinstance(event, Event) and event.timestamp >= since and event.id not in hidden
        ]

    def belongs(self, event: Event) -> bool:
        """See `Walk.belongs`."""
        return has_key(self.turn, self.person, self.run, self.journey, event) is True

    def write_traits(self, values: Mapping[str, Any]) -> None:
        """See `Walk.write_traits`: what follows from it is handled once the run rests."""
        self.turn.follows.append(Follow(traits=dict(values)))

    def change_consent(self, channel: str, topic: str, state: ConsentState) -> None:
        """See `Walk.change_consent`; a yes that asks for a second step waits for it."""
        address, kind = self.person.address(channel), family(channel)
        asks_twice = self.turn.catalog.settings.policy(channel, topic) is Policy.DOUBLE_OPT_IN
        if state is ConsentState.SUBSCRIBED and asks_twice:
            known = self.person.consents.by_address.get((kind, address or "", topic))
            state = state if known is ConsentState.SUBSCRIBED else ConsentState.PENDING
        entry = ConsentEntry(
            channel=kind,
            topic=topic,
            state=state,
            at=self.now,
            source=f"run:{self.run.id}",
            address=address,
            profile=self.person.id,
        )
        self.turn.changes.consents.append(entry)
        self.person.consents.apply(entry)
        self.turn.happen(
            self.person,
            "Subscription Updated",
            {
                "channel": channel,
                "topic": topic,
                "state": str(state),
                "source": f"journey:{self.run.journey}",
            },
        )

    def suppress(self, channel: str, reason: str) -> None:
        """See `Walk.suppress`."""
        address = self.person.address(channel)
        if address is None:
            return
        kind = family(channel)
        self.turn.changes.suppressions.append(
            SuppressionEntry(
                channel=kind, address=address, reason=reason, at=self.now, source=f"run:{self.run.id}"
            )
        )
        self.person.consents.suppressed[kind, address] = reason
        self.turn.happen(self.person, "Address Suppressed", {"channel": channel, "reason": reason})

    def emit(self, node: Node, event: str, properties: Mapping[str, Any]) -> bool:
        """See `Walk.emit`."""
        if not self.turn.may_follow():
            return False
        happened = self.turn.happen(self.person, event, properties)
        self.note("emitted", values={"event": event, "id": happened.id})
        return True

    def start(self, node: Node, journey: str, entry: Mapping[str, Any], key: str | None) -> bool:
        """See `Walk.start`."""
        if not self.turn.may_follow():
            return False
        identifier = self.person.profile.identifiers[0] if self.person.profile.identifiers else None
        start = Start(
            message_id=self.turn.next_id(self.run.id, node.path),
            journey=journey,
            person=identifier or Identifier(kind="id", value=self.person.id),
            run=RunId(self.turn.next_id(self.run.id, journey)),
            entry=dict(entry),
            key=key,
        )
        self.turn.follows.append(Follow(start=start))
        return True

    def member(self, audience: str, member: bool) -> None:
        """See `Walk.member`."""
        self.turn.follows.append(Follow(member=(audience, member)))

    def note(self, outcome: str, reason: str | None = None, values: Mapping[str, Any] | None = None) -> None:
        """See `Walk.note`."""
        self.turn.decide(
            self.person,
            Decided.STEP,
            outcome,
            journey=self.run.journey,
            run=self.run.id,
            step=self.node.id if self.node is not None else None,
            reason=reason,
            values=dict(values or {}),
        )

    def look(self, expression: Expression, scope: Scope) -> bool:
        """See `Walk.look`."""
        truth = expression.truth(scope)
        self.note(
            "true" if truth else "false", values={"if": expression.source, **plain(expression.seen(scope))}
        )
        return truth


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return seen values in a form that can be kept as JSON."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def fill(data: Any, scope: Scope) -> Any:
    """Return compiled data with its texts evaluated against `scope`."""
    match data:
        case Text():
            value = data.value(scope)
            return value.isoformat() if isinstance(value, datetime) else value
        case dict():
            return {key: fill(value, scope) for key, value in data.items()}
        case list() | tuple():
            return [fill(value, scope) for value in data]
        case _:
            return data


def _context(run: Run) -> dict[str, Any]:
    context: dict[str, Any] = {"entry": run.entry, "run": {**run.variables, "key": run.key or None}}
    if run.event is not None:
        context["event"] = run.event
    return context


def has_key(turn: Turn, person: Person, run: Run, journey: Journey, event: Event) -> bool | None:
    """Return whether an event has the run's key; None where the key expression gives none for it."""
    key = journey.trigger.key
    if key is None:
        return True
    scope = person.scope(turn.catalog.settings, turn.now, event=event.properties, entry=event.properties)
    value = key.value(scope)
    if value is None or isinstance(value, list | dict) or value == "":
        return None
    return text_of(value) == run.key


def stimulate(turn: Turn, person: Person, run: Run, stimulus: Stimulus) -> bool:
    """Let something happen to a run that rests; return whether it moved."""
    if not run.active or run.step is None:
        return False
    journey = turn.catalog.version(run.journey, run.version)
    node = journey.program.nodes[run.step]
    walk = RunWalk(turn, person, run, journey)
    walk.node = node
    move = node.step.resume(walk, node, stimulus)
    if move is None:
        return False
    proceed(turn, person, run, walk, move)
    return True


def proceed(turn: Turn, person: Person, run: Run, walk: RunWalk, move: Move) -> None:
    """Follow moves until the run rests or ends."""
    for _ in range(MAX_MOVES):
        match move:
            case Park(due=due, look=look):
                run.due_at, run.look_at = due, look
                run.chain = turn.chain
                turn.keep_run(person, run)
                return
            case End(reason=reason):
                finish(turn, person, run, reason)
                return
            case Go(to=None):
                finish(turn, person, run, EndReason.COMPLETED)
                return
            case Go(to=node):
                assert node is not None
                run.step, run.arrived_at, run.state = node.path, turn.now, {}
                run.due_at = run.look_at = None
                walk.node = node
                move = node.step.enter(walk, node)
    finish(turn, person, run, EndReason.LOOP_LIMIT)


def finish(turn: Turn, person: Person, run: Run, reason: str, *, walk_exit_steps: bool = False) -> None:
    """End a run: its held sends are cancelled, its timer goes, and everybody can read why."""
    run.ended_at, run.reason = turn.now, str(reason)
    run.due_at = run.look_at = None
    run.state = {}
    _cancel_sends(turn, run)
    turn.keep_run(person, run)
    turn.decide(
        person,
        Decided.EXIT,
        "ended",
        journey=run.journey,
        run=run.id,
        step=_id_of(turn, run),
        reason=str(reason),
    )
    journey = turn.catalog.version(run.journey, run.version)
    if walk_exit_steps and journey.program.on_exit is not None:
        _walk_on_exit(turn, person, run, journey)
    turn.happen(
        person,
        "Journey Exited",
        {
            "journey": run.journey,
            "version": run.version,
            "run": run.id,
            "key": run.key or None,
            "reason": str(reason),
        },
    )


def _id_of(turn: Turn, run: Run) -> str | None:
    if run.step is None:
        return None
    return turn.catalog.version(run.journey, run.version).program.nodes[run.step].id


def _walk_on_exit(turn: Turn, person: Person, run: Run, journey: Journey) -> None:
    """Walk the last steps of a run that was left: no waits, and a send there is asked for and not waited for."""
    walk = RunWalk(turn, person, run, journey)
    node = journey.program.on_exit
    for _ in range(MAX_MOVES):
        if node is None:
            return
        walk.node = node
        move = node.step.enter(walk, node)
        match move:
            case Go(to=following):
                node = following
            case Park():
                node = node.after
            case End():
                return


def _cancel_sends(turn: Turn, run: Run) -> None:
    for delivery in list(turn.deliveries.values()):
        if delivery.run == run.id and delivery.waits_for_release():
            delivery.add(Mark.CANCELED)
            delivery.due_at = None
            delivery.reason = run.reason
            turn.changes.deliveries[delivery.id] = delivery


def begin_run(
    turn: Turn,
    person: Person,
    live: LiveJourney,
    *,
    key: str,
    entry: Mapping[str, Any],
    entry_event: str | None,
    since: datetime,
    started_by: str | None,
    run_id: RunId | None,
    ordinal: int,
    held_out: bool,
) -> Run:
    """Create a run and record the entry; it has not walked a step yet."""
    goal = live.journey.goal
    run = Run(
        id=run_id or RunId(turn.next_id(live.name, person.id, key)),
        profile=person.id,
        journey=live.name,
        version=live.version,
        key=key,
        entered_at=turn.now,
        since=since,
        started_by=started_by,
        entry=dict(entry),
        entry_event=entry_event,
        held_out=held_out,
        ordinal=ordinal,
        chain=turn.chain,
        goal_until=None if goal is None else turn.now + (goal.within or timedelta(days=36500)),
    )
    person.runs.append(run)
    turn.keep_run(person, run)
    turn.decide(
        person,
        Decided.ENTRY,
        "entered",
        journey=live.name,
        run=run.id,
        reason="holdout" if held_out else None,
        values={"key": key} if key else {},
    )
    turn.happen(
        person,
        "Journey Entered",
        {"journey": live.name, "version": live.version, "run": run.id, "key": key or None},
    )
    return run
