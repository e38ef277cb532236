"""Ways to break what journeys promise beside their steps: names, texts, triggers, paths, and what is live."""

from tests.coverage.mutant import Mutant

MUTANTS = [
    Mutant(
        "Expressions stand in",
        "engage/domain/steps/send.py",
        'to=None if form.to is None else ("" if to is None else text_of(to)),',
        "to=None,",
    ),
    Mutant(
        "All other strings are text",
        "engage/domain/steps/send.py",
        "return None if text is None else text.text(walk.scope()).strip()",
        "return None if text is None else text.source",
    ),
    Mutant(
        "All other strings are text",
        "engage/domain/steps/send.py",
        "elif part.reads.sees_more_than_values or _BEYOND_VALUES",
        "elif _BEYOND_VALUES",
    ),
    Mutant(
        "A text that is exactly one",
        "engage/domain/expression/text.py",
        "return only if isinstance(only, str) else only.value(scope)",
        "return only if isinstance(only, str) else text_of(only.value(scope))",
    ),
    Mutant(
        "…in every IANA zone",
        "engage/domain/timing/zone.py",
        "    return change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant, zone) or instant",
        "    return instant.replace(minute=0, second=0)",
    ),
    Mutant(
        "An edit without a change",
        "engage/project/plan/meaning.py",
        'return {"is": value.meaning}',
        'return {"is": value.source}',
    ),
    Mutant(
        "An edit without a change",
        "engage/engine/publish/publish.py",
        "if known is not None and known.checksum == source.checksum:",
        "if known is not None and known.source == source.text:",
    ),
    Mutant(
        "`event`: a name",
        "engage/domain/catalog.py",
        "for name in live.journey.trigger.event or ():\n                if not name.endswith",
        "for name in (live.journey.trigger.event or ())[:1]:\n                if not name.endswith",
    ),
    Mutant(
        "`signal` with `people`",
        "engage/engine/broadcast/broadcast.py",
        '"chosen": chosen[: self.trigger.at_most]}',
        '"chosen": chosen}',
    ),
    Mutant(
        "`order`: ascending",
        "engage/engine/broadcast/broadcast.py",
        "return order_key(value), datetime.fromisoformat(created), name, profile",
        "return order_key(value), datetime.min, name, profile",
    ),
    Mutant(
        "`order`: ascending",
        "engage/domain/expression/values.py",
        "_BOOLEAN, _NUMBER, _TEXT, _INSTANT, _OTHER, _NONE = range(6)",
        "_NONE, _BOOLEAN, _NUMBER, _TEXT, _INSTANT, _OTHER = range(6)",
    ),
    Mutant(
        "Default ids are paths",
        "engage/domain/journey/journey.py",
        'self._link(block, f"{path}.{suffix}.", back)',
        'self._link(block, f"{node.id}.{suffix}.", back)',
    ),
    Mutant(
        "Deliveries of `reach`",
        "engage/domain/journey/walk.py",
        "            step=node.id,\n            visit=visit,",
        "            step=node.path,\n            visit=visit,",
    ),
    Mutant(
        "Templates are not pinned",
        "engage/compiled.py",
        "sources.append(template_source(form, item.version))",
        "sources.append(template_source(form, 1))",
    ),
    Mutant(
        "Templates are not pinned",
        "engage/compiled.py",
        "key = (stored.kind, stored.name, stored.checksum)",
        'key = (stored.kind, stored.name, "" if stored.kind == "template" else stored.checksum)',
    ),
    Mutant(
        "Publishing refuses a template",
        "engage/project/plan/impact.py",
        "missing = set() if template is None else required(template) - set(form.with_)",
        "missing = set() if template is None else required(template) - {*form.with_, *required(template)}",
    ),
    Mutant(
        "An edit without a change",
        "engage/compiled.py",
        "meaning = None if form is None else meaning_of(form)",
        "meaning = None",
    ),
]
