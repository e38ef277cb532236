"""Ways to break journeys, live changes and settings."""

from tests.coverage.mutant import Mutant

MUTANTS = [
    Mutant(
        "Durations: words",
        "engage/domain/timing/duration.py",
        "        position = part.end()\n    if position == 0:",
        "        break\n    if position == 0:",
    ),
    Mutant(
        "A day is 24 h",
        "engage/domain/timing/duration.py",
        "Decimal(part.group(1)) * _UNITS[unit]",
        "Decimal(part.group(1)) * (_UNITS[unit] if _UNITS[unit] < 86_400_000_000 else _UNITS[unit] * 25 // 24)",
    ),
    Mutant(
        "Instants: ISO 8601",
        "engage/domain/timing/instant.py",
        "exact.copy_abs() >= MILLISECONDS_FROM",
        "exact.copy_abs() > MILLISECONDS_FROM",
    ),
    Mutant(
        "Without an offset only",
        "engage/domain/timing/instant.py",
        "        return None if zone is None else _civil(day, at, zone)",
        "        return None",
    ),
    Mutant(
        "An invalid zone falls back",
        "engage/domain/timing/zone.py",
        "return (fallback, True) if zone is None",
        "return (ZoneInfo('UTC'), False) if zone is None",
    ),
    Mutant(
        "Calendar arithmetic is civil",
        "engage/domain/timing/zone.py",
        "    wall = datetime.combine(day, at.replace(tzinfo=None, fold=0))\n    instant = wall.replace(tzinfo=zone).astimezone(UTC)",
        "    wall = datetime.combine(day, at.replace(tzinfo=None, fold=0))\n    instant = wall.replace(tzinfo=UTC) - (datetime.combine(date(day.year, 1, 1), at, tzinfo=zone).utcoffset() or timedelta())\n    return instant",
    ),
    Mutant(
        "A wall time that does not exist",
        "engage/domain/timing/zone.py",
        "    return change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant, zone) or instant",
        "    return instant",
    ),
    Mutant(
        "`members: manual`",
        "engage/domain/membership.py",
        "    if member is (audience in person.audiences):\n        return Touched()\n",
        "    return Touched()\n",
    ),
    Mutant(
        "A computed trait is read",
        "engage/domain/membership.py",
        "        touched.traits.add(trait.name)\n",
        "        pass\n",
    ),
    Mutant(
        "A write to it from outside",
        "engage/domain/membership.py",
        "own = {name: value for name, value in values.items() if name not in computed}",
        "own = dict(values)",
    ),
    Mutant(
        "Entering and leaving are events",
        "engage/domain/membership.py",
        '"Audience Entered" if member else "Audience Exited",',
        '"Audience Entered",',
    ),
    Mutant(
        "Membership that only the clock",
        "engage/domain/membership.py",
        "        turn.set_timer(person, kind, name, due)",
        "        pass",
    ),
    Mutant(
        "`key`: one run per key",
        "engage/domain/entering.py",
        "and run.journey == journey and run.key == key:",
        "and run.journey == journey:",
    ),
    Mutant(
        "`date`: once per person", "engage/domain/clockwork.py", 'while f"{year:04}" <= done:', "while False:"
    ),
    Mutant(
        "29 Feb is 28",
        "engage/domain/clockwork.py",
        "at = civil(marked - timedelta(days=form.days_before),",
        "at = civil(marked,",
    ),
    Mutant("`date: {every: once}`", "engage/domain/clockwork.py", 'if form.every == "once":', "if False:"),
    Mutant("`schedule: {cron}`", "engage/engine/agenda.py", '"entry": {"scheduled_at": at}', '"entry": {}'),
    Mutant(
        "`zone: person`, with a",
        "engage/domain/clockwork.py",
        "    return person.zone(turn.catalog.settings)[0]\n",
        "    return turn.catalog.settings.zone\n",
    ),
    Mutant("A tick missed", "engage/domain/clockwork.py", 'return schedule.if_late == "skip" and', "return"),
    Mutant(
        "`schedule: {at}` with",
        "engage/domain/trigger.py",
        "found = parse_instant_text(self.at) or parse_instant_text(self.at, zone)",
        "found = parse_instant_text(self.at[:19], zone) or parse_instant_text(self.at, zone)",
    ),
    Mutant(
        "`schedule: {at, zone: person",
        "engage/domain/clockwork.py",
        'and schedule.if_past == "go_on"):',
        "and False):",
    ),
    Mutant(
        "`api: true`",
        "engage/domain/react.py",
        "entry=wanted.entry, entry_event=None, since=turn.now, key=wanted.key",
        "entry={}, entry_event=None, since=turn.now, key=wanted.key",
    ),
    Mutant(
        "Runs of one (journey, profile, key)",
        "engage/domain/entering.py",
        "if run.active and run.journey == journey and",
        "if not run.active and run.journey == journey and",
    ),
    Mutant(
        "`{per: profile, every}`",
        "engage/domain/entering.py",
        'past.last if rule.per == "profile" else past.last_by_key.get(key)',
        "past.last_by_key.get(key)",
    ),
    Mutant(
        "The default is `always`",
        "engage/domain/trigger.py",
        'again = again or (self.date is not None and self.date.every == "year")',
        "again = again or self.date is not None",
    ),
    Mutant(
        "Imports never trigger",
        "engage/domain/handle.py",
        "        _import(turn, person, event, touched)\n        return\n    react",
        "        pass\n    react",
    ),
    Mutant(
        "Held out: the split hash",
        "engage/domain/entering.py",
        'f"{live.name}/holdout", live',
        '"holdout", live',
    ),
    Mutant(
        "An event matches the runs",
        "engage/domain/react.py",
        "if own_run is None and not rule.any_key and has_key(turn, person, run, journey, event) is False:",
        "if False:",
    ),
    Mutant(
        "Where it gives none",
        "engage/domain/react.py",
        "has_key(turn, person, run, journey, event) is False:",
        "has_key(turn, person, run, journey, event) is not True:",
    ),
    Mutant(
        "A reply belongs to",
        "engage/domain/replies.py",
        "if run is not None and run.active and _waits_for_reply(turn, run, delivery.step):",
        "if False:",
    ),
    Mutant(
        "Traits → computed traits",
        "engage/domain/react.py",
        "    if event is not None:\n        _exits_by_event(turn, person, event, own_run)\n    if touched:\n        _exits_by_condition(turn, person)\n    if event is not None:\n        _goals(turn, person, event, own_run)\n",
        "    if event is not None:\n        _goals(turn, person, event, own_run)\n    if event is not None:\n        _exits_by_event(turn, person, event, own_run)\n    if touched:\n        _exits_by_condition(turn, person)\n",
    ),
    Mutant(
        "`audience_left: a`", "engage/domain/react.py", "        if truth and not known:", "        if False:"
    ),
    Mutant(
        "`goal.within` counts",
        "engage/domain/react.py",
        "for run in list(person.runs):\n        if run.goal_at",
        "for run in person.active_runs():\n        if run.goal_at",
    ),
    Mutant(
        "Reaching the goal ends",
        "engage/domain/react.py",
        "finish(turn, person, run, EndReason.GOAL_LATE, walk_exit_steps=True)\n        return True",
        "return True",
    ),
    Mutant(
        "A send asks for one delivery",
        "engage/domain/steps/send.py",
        "if known is None or not known & SETTLED:",
        "if known is None or Mark.ACCEPTED not in known:",
    ),
    Mutant(
        "`{template | text, to, with",
        "engage/domain/steps/send.py",
        "given = walk.fill(form.with_)",
        "given: dict[str, Any] = {}",
    ),
    Mutant(
        "Consent, exits, caps",
        "engage/domain/consent.py",
        "                return SkipReason.UNSUBSCRIBED",
        "                return None",
    ),
    Mutant(
        "An exit cancels a held send",
        "engage/domain/course.py",
        "    turn.cancel_sends(run, reason=run.reason)\n",
        "",
    ),
    Mutant(
        "`expires` counts from",
        "engage/domain/release.py",
        "        return Skip(SkipReason.EXPIRED)\n    if delivery.automatic:",
        "        pass\n    if delivery.automatic:",
    ),
    Mutant(
        "`wait`: from arrival",
        "engage/domain/steps/waiting.py",
        "return Go(node.after) if isinstance(stimulus, Due) else None",
        "return Go(node.after)",
    ),
    Mutant(
        "`webhook`: signed", "engage/domain/steps/calls.py", '"save_as": form.save_as,', '"save_as": None,'
    ),
    Mutant(
        "`sync`: pushes",
        "engage/domain/steps/calls.py",
        'return {"to": self.sync.to, "with": walk.fill(self.sync.with_)}',
        'return {"to": self.sync.to, "with": {}}',
    ),
    Mutant(
        "`handoff`: to an agent",
        "engage/domain/steps/calls.py",
        '"attributes": walk.fill(form.attributes)}',
        '"attributes": {}}',
    ),
    Mutant(
        "`on_exit`: last steps", "engage/domain/course.py", "    if walk_exit_steps:\n", "    if False:\n"
    ),
    Mutant(
        "Runs end as",
        "engage/domain/migrating.py",
        "finish(turn, person, run, EndReason.MIGRATED)",
        "finish(turn, person, run, EndReason.COMPLETED)",
    ),
    Mutant(
        "When a run ends its held sends",
        "engage/domain/course.py",
        "    turn.cancel_sends(run, reason=run.reason)\n",
        "",
    ),
    Mutant(
        "A run is pinned",
        "engage/domain/course.py",
        "        version=live.version,\n        key=key,",
        "        version=1,\n        key=key,",
    ),
    Mutant(
        "`migrate` moves people once",
        "engage/domain/migrating.py",
        "    if goal is None:\n        return\n    if goal == EXIT:",
        "    if goal is None:\n        goal = EXIT\n    if goal == EXIT:",
    ),
    Mutant(
        "`exit` in `migrate`", "engage/domain/migrating.py", "        plan.keep_timer\n", "        False\n"
    ),
    Mutant(
        "Pause stops entries",
        "engage/domain/react.py",
        "    if turn.catalog.stands_still(run):\n        turn.keep_run(person, run)\n",
        "    if False:\n        turn.keep_run(person, run)\n",
    ),
    Mutant(
        "At resume exit, goal and waits",
        "engage/domain/resume.py",
        "                judge_kept(turn, person, run, event)",
        "                pass",
    ),
    Mutant(
        "Archive ends all", "engage/domain/resume.py", "finish(turn, person, run, EndReason.ARCHIVED)", "pass"
    ),
    Mutant(
        "Absent: UTC",
        "engage/domain/project_settings.py",
        "late_events: DurationField = timedelta(hours=24)",
        "late_events: DurationField = timedelta(hours=48)",
    ),
    Mutant("`quiet_hours: off`", "engage/domain/project_settings.py", 'in ("off", False):', "in (False,):"),
    Mutant(
        "`from` inclusive",
        "engage/domain/timing/wall.py",
        "or (at < to and _is_on(day",
        "or (at <= to and _is_on(day",
    ),
    Mutant(
        "`unknown_zone: skip`",
        "engage/domain/release.py",
        "return Skip(SkipReason.UNKNOWN_ZONE) if is_unknown else None",
        "return None",
    ),
    Mutant(
        "A held send keeps",
        "engage/domain/steps/send.py",
        "expires=self.expires))\n        return Park()",
        "expires=self.expires))\n        return Go(node.after)",
    ),
    Mutant(
        "A channel a topic does not name",
        "engage/domain/consent.py",
        "            case Policy.NEVER:\n                return False",
        "            case Policy.NEVER:\n                return True",
    ),
    Mutant(
        "Transactional waives",
        "engage/domain/release.py",
        "    if settings.is_transactional(delivery.topic):\n        return None\n",
        "",
    ),
    Mutant(
        "`urgent` alone waives",
        "engage/domain/release.py",
        "not in quiet.channels or catalog.settings.is_urgent(delivery.topic):",
        "not in quiet.channels or catalog.settings.is_transactional(delivery.topic):",
    ),
    Mutant("Caps are rolling", "engage/domain/release.py", "and at > now - cap.per", "and True"),
    Mutant(
        "SMS and voice opt-in",
        "engage/domain/consent.py",
        "if here is None and kind == Channel.EMAIL:",
        "if here is None:",
    ),
    Mutant(
        "Opt-outs, STOP",
        "engage/domain/consent.py",
        "                or self.by_profile.get((kind, name)) is ConsentState.UNSUBSCRIBED",
        "                or False",
    ),
    Mutant(
        "`double_opt_in`: a",
        "engage/domain/consent.py",
        "return wanted if known is ConsentState.SUBSCRIBED else ConsentState.PENDING",
        "return wanted",
    ),
    Mutant(
        "`global_holdout`",
        "engage/domain/entering.py",
        '("global_holdout", turn.catalog.settings.global_holdout),',
        '("global_holdout", 0),',
    ),
    Mutant(
        "`identity`: own identifiers",
        "engage/domain/project_settings.py",
        "_BLOCKED | frozenset(self.blocked) |",
        "_BLOCKED |",
    ),
    Mutant(
        "A wall time that exists twice",
        "engage/domain/timing/zone.py",
        "at.replace(tzinfo=None, fold=0))\n    instant",
        "at.replace(tzinfo=None, fold=1))\n    instant",
    ),
    Mutant(
        "Zone of a person",
        "engage/domain/timing/zone.py",
        "return (fallback, True) if zone is None else (zone, False)",
        "return (fallback, zone is None)",
    ),
    Mutant(
        "Backfill writes the events",
        "engage/domain/triggering.py",
        '(trigger.existing == "include" and trigger.pace is None)',
        "True",
    ),
    Mutant(
        "`existing: include`",
        "engage/engine/backfill.py",
        'if trigger.existing != "include" or trigger',
        'if trigger.existing == "include" or trigger',
    ),
]
