"""Ways to break what a project settles for all its journeys: hours, zones, topics, caps, consent."""

from tests.coverage.mutant import Mutant

MUTANTS = [
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
        "engage/domain/delivery/release.py",
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
        "engage/domain/consent/consent.py",
        "            case Policy.NEVER:\n                return False",
        "            case Policy.NEVER:\n                return True",
    ),
    Mutant(
        "Transactional waives",
        "engage/domain/delivery/release.py",
        "    if settings.is_transactional(delivery.topic):\n        return None\n",
        "",
    ),
    Mutant(
        "`urgent` alone waives",
        "engage/domain/delivery/release.py",
        "not in quiet.channels or catalog.settings.is_urgent(delivery.topic):",
        "not in quiet.channels or catalog.settings.is_transactional(delivery.topic):",
    ),
    Mutant("Caps are rolling", "engage/domain/delivery/release.py", "and at > now - cap.per", "and True"),
    Mutant(
        "SMS and voice opt-in",
        "engage/domain/consent/consent.py",
        "if here is None and kind == Channel.EMAIL:",
        "if here is None:",
    ),
    Mutant(
        "Opt-outs, STOP",
        "engage/domain/consent/consent.py",
        "                or self.by_profile.get((kind, name)) is ConsentState.UNSUBSCRIBED",
        "                or False",
    ),
    Mutant(
        "`double_opt_in`: a",
        "engage/domain/consent/consent.py",
        "return wanted if known is ConsentState.SUBSCRIBED else ConsentState.PENDING",
        "return wanted",
    ),
    Mutant(
        "`global_holdout`",
        "engage/domain/journey/entering.py",
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
        "engage/domain/journey/triggering.py",
        '(trigger.existing == "include" and trigger.pace is None)',
        "True",
    ),
    Mutant(
        "`existing: include`",
        "engage/engine/publish/backfill.py",
        'if trigger.existing != "include" or trigger',
        'if trigger.existing == "include" or trigger',
    ),
    Mutant(
        "`sensitive` values",
        "engage/domain/journey/course.py",
        "        run.entry = covered.properties(run.entry)\n",
        "",
    ),
    Mutant(
        "`sensitive` values",
        "engage/domain/journey/course.py",
        "entry=dict(entry),\n",
        "entry=turn.catalog.settings.covered.properties(dict(entry)),\n",
    ),
    Mutant(
        "`sensitive` values",
        "engage/domain/turn/turn.py",
        "        if kept is not event.properties:\n",
        "        if False:\n",
    ),
]
