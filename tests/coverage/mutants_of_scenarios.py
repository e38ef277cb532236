"""Ways to break what plays scenarios: a test that cannot fail proves nothing."""

from tests.coverage.mutant import Mutant

MUTANTS = [
    Mutant(
        "A line per scenario",
        "engage/testing/report.py",
        'yield f"{self.passed} passed, {self.failed} failed"',
        'yield f"{self.passed} passed"',
    ),
    Mutant(
        "`--json`",
        "engage/testing/report.py",
        '            "scenarios": [result.as_json() for result in self.results],\n',
        "",
    ),
    Mutant(
        "A file may hold several documents",
        "engage/testing/collect.py",
        "    for document in documents:\n        reader = ScenarioReader(document)",
        "    for document in documents[:1]:\n        reader = ScenarioReader(document)",
    ),
    Mutant(
        "`use` takes project files",
        "engage/testing/definitions.py",
        "        if not found:\n            known = [known for kind",
        "        if False:\n            known = [known for kind",
    ),
    Mutant(
        "`group` and `forget`",
        "engage/testing/stage.py",
        "            case Forget():\n                self._forget(item)\n",
        "            case Forget():\n                pass\n",
    ),
    Mutant(
        "Without `topics` every topic",
        "engage/domain/project_settings.py",
        "            return Policy.OPT_OUT\n        if topic is None",
        "            return Policy.OPT_IN\n        if topic is None",
    ),
    Mutant(
        "Receipts never come",
        "engage/testing/webhooks.py",
        "identity = item.receipt_id or _composite(item)",
        "identity = item.receipt_id or str(id(item))",
    ),
    Mutant(
        "`of.n` counts from 1",
        "engage/testing/stage.py",
        "matching = matching[ref.n - 1 : ref.n]",
        "matching = matching[ref.n : ref.n + 1]",
    ),
    Mutant(
        "All named parts must hold",
        "engage/testing/expectations.py",
        "    if not same(wanted, got):\n",
        "    if False:\n",
    ),
    Mutant(
        "`messages`, `skipped`, `failed`",
        "engage/testing/expectations.py",
        "orders = [sorted(lines, key=order) for order in seen.orders()]",
        "orders = [lines[::-1]]",
    ),
    Mutant(
        "Automatic answers are listed",
        "engage/testing/seen.py",
        "taken = [m for m in self.stage.providers.messages() if m.delivery in known]",
        "taken = [m for m in self.stage.providers.messages() if m.delivery in known and not known[m.delivery].automatic]",
    ),
    Mutant(
        "`sent` counts deliveries",
        "engage/testing/expectations.py",
        "strangers = [person for person in wanted.out if seen.profile_id(person) in inside]",
        "strangers = [person for person in wanted.out if seen.profile_id(person) not in inside]",
    ),
    Mutant(
        "`at_step`: null",
        "engage/testing/expectations.py",
        "        if sorted(got) != sorted(places):\n",
        "        if got[:1] != sorted(places):\n",
    ),
    Mutant(
        "`webhooks`, `handoffs`",
        "engage/testing/expectations.py",
        'calls_differ("webhooks", Channel.WEBHOOK, expected.webhooks, seen)',
        'calls_differ("webhooks", Channel.HANDOFF, expected.webhooks, seen)',
    ),
    Mutant(
        "`same_person`",
        "engage/testing/expectations.py",
        "elif len(set(found.values())) > 1:",
        "elif len(set(found.values())) == 1:",
    ),
    Mutant(
        "`at`: an offset",
        "engage/project/scenario/values.py",
        'total = total - duration if part[1] == "-" else total + duration',
        "total = total + duration",
    ),
    Mutant(
        "`timestamp` counts from",
        "engage/project/scenario/values.py",
        "return None if at is None else moment(value, at)",
        "return None if at is None or not isinstance(info.context, Clock) else moment(value, info.context.start)",
    ),
    Mutant(
        "Below 1000 an HTTP status",
        "engage/project/scenario/values.py",
        "_PROVIDER_CODES_FROM = 1000\n",
        "_PROVIDER_CODES_FROM = 100\n",
    ),
    Mutant(
        "Every form of the catalogue",
        "engage/project/scenario/items.py",
        "        Page,\n        Screen,\n",
        "        Page,\n",
    ),
    Mutant(
        "Engine work due",
        "engage/engine/simulate.py",
        "if due is None or due > instant:",
        "if due is None or due >= instant:",
    ),
    Mutant(
        "Engine work due",
        "engage/project/scenario/form.py",
        "sorted(items, key=lambda item: item.at)",
        "sorted(items, key=lambda item: (item.at, item.verb))",
    ),
    Mutant(
        "Before `start`",
        "engage/testing/stage.py",
        "self._publish(play.definitions.before_start())",
        "self._publish(play.definitions.at_start())",
    ),
    Mutant(
        "Before `start`",
        "engage/testing/stage.py",
        "if not self._started and not isinstance(item, HISTORY):",
        "if False:",
    ),
    Mutant(
        "Before `start`",
        "engage/engine/publish/publish.py",
        "    if not rules and not journeys and not everything:\n",
        "    if not everything:\n",
    ),
    Mutant(
        "`--live` runs the same file",
        "engage/storage/postgres/write.py",
        "    SELECT profile, audience FROM json_to_recordset(%s) AS (profile uuid, audience text)\n)",
        "    SELECT profile, audience FROM json_to_recordset(%s) AS (profile uuid, audience text) LIMIT 0\n)",
    ),
]
