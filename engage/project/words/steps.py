"""Steps and triggers in a few words: what graphs, plans and `why` call them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time, timedelta

from engage.domain.expression import Expression, Text
from engage.domain.journey.journey import ExitRule, Journey
from engage.domain.journey.trigger import Trigger
from engage.domain.project_settings import WallTime
from engage.domain.steps.base import Step
from engage.domain.steps.calls import Handoff, Sync, Webhook
from engage.domain.steps.choice import Branch, Split
from engage.domain.steps.flow import Emit, Exit, Repeat, Start
from engage.domain.steps.people import AddTo, Remember, RemoveFrom, Set, Subscribe, Suppress, Unsubscribe
from engage.domain.steps.reach import Reach
from engage.domain.steps.send import Send, SendForm
from engage.domain.steps.wait_for import WaitBranch, WaitFor
from engage.domain.steps.waiting import Wait, WaitUntil, WaitUntilForm
from engage.domain.timing import Cron, format_duration

_MOST_DAYS, _MONTHS = 31, 12
_MOST_TIMES = 3
"""More times or days than that are a list that nobody reads."""
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Words:
    """A step's title, and what else is worth a line."""

    title: str
    details: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Everything on one line."""
        return " · ".join((self.title, *self.details))


def step_words(step: Step) -> Words:
    """Return what a step does, without what lies below it."""
    match step:
        case Send():
            return _send(step)
        case Wait(wait=duration):
            return Words(
                f"Wait {span(duration) if isinstance(duration, timedelta) else _brief(duration.source)}"
            )
        case WaitUntil(wait_until=form):
            return Words(f"Wait until {_instant(form)}")
        case WaitFor():
            return _wait_for(step)
        case Branch():
            return Words("Branch")
        case Split(split=form):
            return Words("Split", () if form.sticky else ("afresh at every entry",))
        case Repeat(repeat=form):
            details = (f"while {form.while_.source}",) if form.while_ is not None else ()
            return Words(f"Repeat, at most {form.times}×", details)
        case Exit(exit=reason):
            return Words("Exit", (_brief(reason.source),) if reason else ())
        case _:
            return _doing(step)


def _send(step: Send) -> Words:
    form = step.form
    name = _content(form)
    details = [f"topic {form.topic.source}"] if form.topic else []
    if form.to is not None:
        details.append(f"to {form.to.source}")
    if step.expires is not None:
        details.append(f"expires after {span(step.expires)}")
    return Words(name, tuple(details))


def _content(form: SendForm) -> str:
    if form.template is not None:
        return form.template.source
    return f"“{_brief(form.text.source if form.text else '')}”"


def _reach(step: Reach) -> Words:
    form = step.reach
    tried = [f"{channel} {_content(sent)}" for channel, sent in form.sends()]
    return Words(f"Reach until {str(form.until).replace('_', ' ')}", (*tried, f"{span(form.within)} each"))


def _doing(step: Step) -> Words:
    match step:
        case Reach():
            return _reach(step)
        case Webhook(webhook=request):
            saved = (f"answer as run.{request.save_as}",) if request.save_as else ()
            return Words(f"{request.method} {_brief(request.url.source)}", saved)
        case Sync(sync=target):
            return Words(f"Sync to {target.to}")
        case Handoff(handoff=queue):
            return Words(f"Hand off to {queue.to}", (queue.workflow.source,) if queue.workflow else ())
        case Set(set=values):
            return Words(_counted("Set", values, "traits"), tuple(_values(values.items())))
        case Remember(remember=values):
            return Words(_counted("Remember", values, "values"), tuple(_values(values.items())))
        case Subscribe(subscribe=form):
            return Words(f"Subscribe to {form.topic.source}", (f"by {form.channel}",))
        case Unsubscribe(unsubscribe=form):
            return Words(f"Unsubscribe from {form.topic.source}", (f"by {form.channel}",))
        case Suppress(suppress=refusal):
            return Words(f"Suppress {refusal.channel}", (refusal.reason.source,) if refusal.reason else ())
        case AddTo(add_to=audience):
            return Words(f"Add to {audience}")
        case RemoveFrom(remove_from=audience):
            return Words(f"Remove from {audience}")
        case Emit(emit=event):
            return Words(f"Emit {_brief(event.event.source)}", tuple(_values(event.properties.items())))
        case Start(start=other):
            return Words(f"Start {other.journey}", (f"key {other.key.source}",) if other.key else ())
        case _:
            # A verb this table does not know yet still has its name.
            return Words(step.verb.replace("_", " ").capitalize())


def _counted(verb: str, values: Iterable[str], what: str) -> str:
    names = list(values)
    return f"{verb} {names[0]}" if len(names) == 1 else f"{verb} {len(names)} {what}"


def _values(items: Iterable[tuple[str, object]]) -> Iterable[str]:
    for name, value in items:
        shown = value.source if isinstance(value, Text | Expression) else value
        text = str(shown).lower() if isinstance(shown, bool) else str(shown)
        yield f"{name} = {_brief(text)}"


def _wait_for(step: WaitFor) -> Words:
    form = step.wait_for
    if form.timeout is not None:
        limit = f"for {span(form.timeout)}"
    else:
        assert form.until is not None
        limit = f"until {form.until.at.source}"
        if form.until.before is not None:
            limit = f"until {span(form.until.before)} before {form.until.at.source}"
        elif form.until.after is not None:
            limit = f"until {span(form.until.after)} after {form.until.at.source}"
    if len(form.branches) == 1:
        return Words(f"Wait {limit}", (branch_words(form.branches[0]),))
    return Words(f"Wait {limit}")


def step_line(step: Step) -> str:
    """Return what a step does on one line; of a wait everything it waits for."""
    if isinstance(step, WaitFor):
        awaited = " or ".join(branch_words(branch) for branch in step.wait_for.branches)
        return f"{_wait_for(step).title.replace('Wait for', 'Wait up to', 1)} for {awaited}"
    return step_words(step).line


def branch_words(branch: WaitBranch) -> str:
    """Return what one branch of a `wait_for` waits for."""
    if branch.step is not None:
        text = f"{branch.step} {str(branch.status).replace('_', ' ')}"
    elif branch.when is not None:
        return f"when {branch.when.source}"
    else:
        text = " or ".join(branch.event or ())
    return text if branch.where is None else f"{text} where {branch.where.source}"


def _instant(form: WaitUntilForm) -> str:
    zone = f" in {form.zone}" if form.zone not in (None, "person") else ""
    days = f" {week([day.name.lower() for day in form.weekdays])}" if form.weekdays else ""
    if form.at is not None:
        if form.days_before is not None and form.time is not None:
            many = "day" if form.days_before == 1 else "days"
            return f"{clock(form.time)}, {form.days_before} {many} before {form.at.source}{zone}"
        shift = ""
        if form.before is not None:
            shift = f"{span(form.before)} before "
        elif form.after is not None:
            shift = f"{span(form.after)} after "
        return f"{shift}{form.at.source}{zone}"
    if form.between is not None:
        return f"{clock(form.between[0])}–{clock(form.between[1])}{days}{zone}"
    assert form.time is not None
    return f"{clock(form.time)}{days}{zone}"


def week(days: Iterable[str]) -> str:
    """Return days of the week, runs of three and more as `mon–fri`."""
    numbers = sorted({WEEK.index(day) for day in days})
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][-1] == number - 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    shown = [
        f"{WEEK[run[0]]}–{WEEK[run[-1]]}" if len(run) > 2 else ", ".join(WEEK[day] for day in run)
        for run in spans
    ]
    return ", ".join(shown)


def clock(at: WallTime) -> str:
    """Return a time of day as it is written."""
    shown: time = at
    return f"{shown:%H:%M}"


def span(duration: timedelta) -> str:
    """Return a duration in words, whole weeks as weeks."""
    weeks, rest = divmod(duration, timedelta(weeks=1))
    if weeks > 1 and not rest:
        return f"{weeks} weeks"
    return format_duration(duration)


def trigger_words(trigger: Trigger) -> Words:
    """Return what brings people in."""
    details = [f"where {trigger.where.source}"] if trigger.where is not None else []
    if trigger.key is not None:
        details.append(f"one run per {trigger.key.source.removeprefix('event.').removeprefix('entry.')}")
    match trigger.form:
        case "event":
            title = " or ".join(trigger.event or ())
        case "audience":
            assert trigger.audience is not None
            entered = trigger.audience.entered
            title = f"Entering {entered}" if entered else f"Leaving {trigger.audience.left}"
            if trigger.existing == "include":
                details.append("also who is inside already")
        case "trait":
            assert trigger.trait is not None
            title = f"{trigger.trait.changed} changes"
        case "date":
            title = _date(trigger)
        case "schedule":
            title, more = _schedule(trigger)
            details += more
        case "inbound":
            assert trigger.inbound is not None
            title = trigger.inbound.event
            if trigger.inbound.matching:
                details.append(f"matching {trigger.inbound.matching}")
        case "signal":
            title = f"Signal {trigger.signal}"
            if trigger.people is not None:
                details.append(f"to those where {trigger.people.source}")
            if trigger.order is not None:
                details.append(f"in the order of {trigger.order.source}")
            if trigger.at_most is not None:
                details.append(f"at most {trigger.at_most} people")
        case _:
            title = "Started by API"
    return Words(title, tuple(details))


def _date(trigger: Trigger) -> str:
    assert trigger.date is not None
    date = trigger.date
    before = (
        f"{date.days_before} {'day' if date.days_before == 1 else 'days'} before " if date.days_before else ""
    )
    every = "every " if date.every == "year" else ""
    found = f"{before}{every}{date.trait}, {clock(date.time)}"
    return found[:1].upper() + found[1:] if before or every else found


def _schedule(trigger: Trigger) -> tuple[str, list[str]]:
    assert trigger.schedule is not None
    form = trigger.schedule
    title = f"Once at {form.at}" if form.cron is None else cron_words(form.cron)
    details = [f"for {form.audience}"] if form.audience else []
    if form.zone:
        details.append("on everybody's own clock" if form.per_person else f"in {form.zone}")
    return title, details


def cron_words(cron: Cron) -> str:
    """Return when a cron line runs: `Every mon–fri, 09:00`; the line itself where words would be longer."""
    every_day, every_weekday = len(cron.days) == _MOST_DAYS, len(cron.weekdays) == len(WEEK)
    plain = len(cron.months) == _MONTHS and len(cron.times) <= _MOST_TIMES and (every_day or every_weekday)
    if not plain:
        return f"Cron {cron.source}"
    times = " and ".join(clock(at) for at in cron.times)
    if not every_weekday:
        return f"Every {week(WEEK[day] for day in cron.weekdays)}, {times}"
    if every_day:
        return f"Every day, {times}"
    days = sorted(cron.days)
    if len(days) > _MOST_TIMES:
        return f"Cron {cron.source}"
    return f"On day {', '.join(map(str, days))} of every month, {times}"


def entry_words(journey: Journey) -> tuple[str, ...]:
    """Return who may enter, and how often."""
    found = [] if journey.entry.where is None else [f"only where {journey.entry.where.source}"]
    rule = journey.reentry
    keyed = journey.trigger.key is not None and rule.per == "key"
    if rule.every is None:
        found.append("never again for the same key" if keyed else "once per person")
    elif rule.every:
        found.append(
            f"again after {span(rule.every)}, by key" if keyed else f"again after {span(rule.every)}"
        )
    if journey.entry.while_inside == "restart":
        found.append("a newer one restarts")
    if journey.holdout:
        found.append(f"{_percent(journey)} held out")
    return tuple(found)


def _percent(journey: Journey) -> str:
    return f"{float(journey.holdout) * 100:g}%"


def exit_words(rule: ExitRule) -> str:
    """Return what ends a run early."""
    if rule.when is not None:
        return f"when {rule.when.source}"
    event = " or ".join(rule.event or ())
    return event if rule.where is None else f"{event} where {rule.where.source}"


def _brief(text: str, limit: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
