"""Small ways to break the engine, each against one promise: something that holds the promise must fail on it.

`scripts/mutants` tries them all and writes which promises are proven so into `tests/coverage/proven.txt`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old`, which stands once in `file`, becomes `new`; `row` is how the promise it breaks begins."""

    row: str
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        row="A later one implies",
        file="engage/domain/delivery.py",
        old="    Mark.OPENED: (Mark.DELIVERED, Mark.OPENED_ANY),\n",
        new="    Mark.OPENED: (),\n",
    ),
    Mutant(
        row="`key` is text",
        file="engage/domain/entering.py",
        old='if value is None or isinstance(value, list | dict) or value == "":',
        new='if value is None or isinstance(value, int) or value == "":',
    ),
    Mutant(
        row="A key that is none",
        file="engage/domain/entering.py",
        old='if value is None or isinstance(value, list | dict) or value == "":',
        new="if value is None:",
    ),
    Mutant(
        row="Triggers look only at events",
        file="engage/domain/entering.py",
        old="return EntryRefusal.LATE, {}",
        new="pass",
    ),
    Mutant(
        row="`while_inside: ignore`",
        file="engage/domain/entering.py",
        old='ignored = live.journey.entry.while_inside == "ignore"',
        new="ignored = False",
    ),
    Mutant(
        row="A trigger while paused",
        file="engage/domain/entering.py",
        old="return EntryRefusal.PAUSED, {}",
        new="pass",
    ),
    Mutant(
        row="`reentry: never",
        file="engage/domain/entering.py",
        old="return (None if _may_return(turn, person, live, key) else EntryRefusal.REENTRY), {}",
        new="return None, {}",
    ),
    Mutant(
        row="`while_inside: restart`",
        file="engage/domain/entering.py",
        old="if inside is not None:\n        finish(turn, person, inside, EndReason.REPLACED)",
        new="if inside is not None:\n        finish(turn, person, inside, EndReason.COMPLETED)",
    ),
    Mutant(
        row="`a != b` is",
        file="engage/domain/expression/evaluate.py",
        old="Op.NE: lambda a, b: not equal(a, b),",
        new="Op.NE: lambda a, b: a is not None and not equal(a, b),",
    ),
    Mutant(
        row="`in`: element",
        file="engage/domain/expression/evaluate.py",
        old="Op.NOT_IN: lambda a, b: not contains(b, a),",
        new="Op.NOT_IN: lambda a, b: contains(b, a),",
    ),
    Mutant(
        row="`entry.<property>`",
        file="engage/domain/expression/evaluate.py",
        old="return lambda scope, _event: scope.entry_event",
        new="return lambda scope, _event: None",
    ),
    Mutant(
        row="Arithmetic with none",
        file="engage/domain/expression/evaluate.py",
        old="return a + b if isinstance(a, str) and isinstance(b, str)",
        new="return None if isinstance(a, str) and isinstance(b, str)",
    ),
    Mutant(
        row="`empty`, `present`, `defined`, `default`",
        file="engage/domain/expression/evaluate.py",
        old="if (value := of(scope, event)) is None else value",
        new="if not (value := of(scope, event)) else value",
    ),
    Mutant(
        row="`bucket('salt')`",
        file="engage/domain/expression/evaluate.py",
        old="bucket(salt, scope.bucket_key)",
        new='bucket(salt, "")',
    ),
    Mutant(
        row="`changed_at`",
        file="engage/domain/expression/evaluate.py",
        old="return instant.astimezone(UTC) if isinstance(instant, datetime) else None",
        new="return None",
    ),
    Mutant(
        row="`'prop'` may be a path",
        file="engage/domain/expression/values.py",
        old="elif isinstance(value, list):\n            value = _project(value, key)",
        new="elif False:\n            pass",
    ),
    Mutant(
        row="`exit_when: when:` fires",
        file="engage/domain/react.py",
        old="if truth and not known:",
        new="if truth:",
    ),
    Mutant(
        row="Exit, goal and waits see only",
        file="engage/domain/react.py",
        old="return event.timestamp >= run.since and",
        new="return",
    ),
    Mutant(
        row="When a run starts late",
        file="engage/domain/react.py",
        old="if _already_over(turn, person, run, journey):",
        new="if False:",
    ),
    Mutant(
        row="`stale_after` ends",
        file="engage/domain/react.py",
        old="if journey.stale_after is not None and",
        new="if False and",
    ),
    Mutant(
        row="Facts about a delivery match",
        file="engage/domain/react.py",
        old="own_run in (None, run.id)",
        new="True",
    ),
    Mutant(
        row="`branch`: first true",
        file="engage/domain/steps/choice.py",
        old="if walk.look(item.if_, scope):",
        new="if not walk.look(item.if_, scope):",
    ),
    Mutant(
        row="`split`: weights",
        file="engage/domain/steps/choice.py",
        old="if not self.split.sticky:",
        new="if False:",
    ),
    Mutant(
        row="`emit`: a track",
        file="engage/domain/steps/flow.py",
        old="done = walk.emit(node, name, walk.fill(self.emit.properties))",
        new="done = True",
    ),
    Mutant(
        row="The 101st `emit`",
        file="engage/domain/steps/flow.py",
        old="return Go(node.after) if done else End(LOOP_LIMIT)\n\n\nclass StartForm",
        new="return Go(node.after)\n\n\nclass StartForm",
    ),
    Mutant(
        row="`start`: enters another",
        file="engage/domain/steps/flow.py",
        old="node, self.start.journey, walk.fill(self.start.with_), None if key is None else text_of(key)",
        new="node, self.start.journey, {}, None",
    ),
    Mutant(
        row="`repeat`: bounded loop",
        file="engage/domain/steps/flow.py",
        old="done < self.repeat.times and (",
        new="done <= self.repeat.times and (",
    ),
    Mutant(
        row="`exit`: ends this run",
        file="engage/domain/steps/flow.py",
        old="return End(reason_of(self.exit, walk.scope()))",
        new="return Go(None)",
    ),
    Mutant(
        row="`set` and `remember`",
        file="engage/domain/steps/people.py",
        old="walk.run.variables = {**walk.run.variables, **walk.fill(self.remember)}",
        new="pass",
    ),
    Mutant(
        row="`subscribe`, `unsubscribe`",
        file="engage/domain/steps/people.py",
        old="ConsentState.SUBSCRIBED)",
        new="ConsentState.UNSUBSCRIBED)",
    ),
    Mutant(
        row="`suppress`: this address",
        file="engage/domain/steps/people.py",
        old="walk.suppress(self.suppress.channel, self.reason(walk))",
        new="pass",
    ),
    Mutant(
        row="`add_to`, `remove_from`",
        file="engage/domain/steps/people.py",
        old="walk.member(self.add_to, True)",
        new="pass",
    ),
    Mutant(
        row="Held-out runs walk every step",
        file="engage/domain/steps/people.py",
        old="if not walk.run.held_out:",
        new="if True:",
    ),
    Mutant(
        row="`reach`: the first channel",
        file="engage/domain/steps/reach.py",
        old="if self.reach.until in known:",
        new="if Mark.ACCEPTED in known:",
    ),
    Mutant(
        row="The next is tried",
        file="engage/domain/steps/reach.py",
        old="return self._try(walk, node) if is_newest and known & _FAILED else None",
        new="return None",
    ),
    Mutant(
        row="`expires` covers the whole `reach`",
        file="engage/domain/steps/reach.py",
        old="return Park(due if until is None else min(due, until))",
        new="return Park(due)",
    ),
    Mutant(
        row="`if_not_sent` by reason",
        file="engage/domain/steps/send.py",
        old='key = reason if reason in answers else "default"',
        new='key = "default"',
    ),
    Mutant(
        row="`wait_for`: branches in order",
        file="engage/domain/steps/wait_for.py",
        old="for index, branch in enumerate(self.wait_for.branches):\n            if (",
        new="for index, branch in reversed(list(enumerate(self.wait_for.branches))):\n            if (",
    ),
    Mutant(
        row="`when:` true on arrival",
        file="engage/domain/steps/wait_for.py",
        old="if branch.when.truth(walk.scope()) else None",
        new="if False else None",
    ),
    Mutant(
        row="`step` and `status`",
        file="engage/domain/steps/wait_for.py",
        old="if branch.step is not None:\n            return self._if_reached(walk, node, index, branch, None)",
        new="if branch.step is not None:\n            return None",
    ),
    Mutant(
        row="`since: entry`",
        file="engage/domain/steps/wait_for.py",
        old='if self.wait_for.since == "entry" and',
        new="if False and",
    ),
    Mutant(
        row="`as: x` keeps",
        file="engage/domain/steps/wait_for.py",
        old="if branch.as_ is not None:",
        new="if False:",
    ),
    Mutant(
        row="`restart: true`",
        file="engage/domain/steps/wait_for.py",
        old="if count <= MAX_RESTARTS:",
        new="if True:",
    ),
    Mutant(
        row="The short form",
        file="engage/domain/steps/wait_for.py",
        old="        keys = [key for key in data if key in _BRANCH_KEYS]",
        new="        keys: list[str] = []",
    ),
    Mutant(
        row="`any_key: true`",
        file="engage/domain/steps/wait_for.py",
        old="and (branch.any_key or stimulus.matches_key)",
        new="and stimulus.matches_key",
    ),
    Mutant(
        row="`wait_until` with `time`",
        file="engage/domain/steps/waiting.py",
        old="next_at(walk.now, form.time, days, zone)",
        new="next_at(walk.now, form.time, (), zone)",
    ),
    Mutant(
        row="`wait_until` with `at`",
        file="engage/domain/steps/waiting.py",
        old='return End("exit") if self.wait_until.if_past == "exit" else Go(node.after)',
        new="return Go(node.after)",
    ),
    Mutant(
        row="`follow: true`",
        file="engage/domain/steps/waiting.py",
        old="if isinstance(stimulus, Looked) and self.wait_until.follow:",
        new="if False:",
    ),
    Mutant(
        row="`where` of a trigger",
        file="engage/domain/triggering.py",
        old="if where is None:\n        return True",
        new="if True:\n        return True",
    ),
    Mutant(
        row="`audience: {entered}`",
        file="engage/domain/triggering.py",
        old='event.name == "Audience Entered")',
        new="True)",
    ),
    Mutant(
        row="`trait: {changed}`",
        file="engage/domain/triggering.py",
        old='entry = {"before": before, "after": after}',
        new='entry = {"before": after, "after": after}',
    ),
    Mutant(
        row="`inbound: {channel, matching}`",
        file="engage/domain/triggering.py",
        old="if form.matching is not None and",
        new="if False and",
    ),
    Mutant(
        row="A fact that satisfied a branch",
        file="engage/domain/walk.py",
        old="hidden = {self.run.started_by, *self.run.consumed}",
        new="hidden = {self.run.started_by}",
    ),
    Mutant(
        row="The event that started a run",
        file="engage/domain/walk.py",
        old="hidden = {self.run.started_by, *self.run.consumed}",
        new="hidden = set(self.run.consumed)",
    ),
]
