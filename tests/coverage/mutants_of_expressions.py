"""Ways to break expressions."""

from tests.coverage.mutant import Mutant

MUTANTS = [
    Mutant(
        "Literals, lists, `.name`",
        "engage/domain/expression/evaluate.py",
        "    Sign.SUB: _on_numbers(numbers.subtract),",
        "    Sign.SUB: _on_numbers(numbers.add),",
    ),
    Mutant(
        "`profile.<trait>`, nested",
        "engage/domain/expression/evaluate.py",
        "return lambda scope, _event: dig(scope.profile.get(first), rest)",
        "return lambda scope, _event: scope.profile.get(first)",
    ),
    Mutant(
        "`event.<property>`; inside",
        "engage/domain/expression/functions.py",
        "[fact for fact in chosen if where(scope, fact.properties)]",
        "[fact for fact in chosen if where(scope, event)]",
    ),
    Mutant(
        "`run.<name>`, `run.key`",
        "engage/domain/expression/evaluate.py",
        "return lambda scope, _event: _inside(scope.run, keys)",
        "return lambda scope, _event: _inside(scope.entry, keys)",
    ),
    Mutant(
        "`count`, `did`",
        "engage/domain/expression/functions.py",
        "    Fold.MIN: _min,\n",
        "    Fold.MIN: _max,\n",
    ),
    Mutant(
        "`since` inclusive",
        "engage/domain/expression/functions.py",
        "low = max(low, bisect_left(found, start, key=timestamp_of))",
        "low = max(low, bisect_right(found, start, key=timestamp_of))",
    ),
    Mutant(
        "Over numeric values",
        "engage/domain/expression/functions.py",
        "return total(numbers) if numbers else None",
        "return total(numbers)",
    ),
    Mutant(
        "`mode`: tie",
        "engage/domain/expression/functions.py",
        "key=lambda key: (-counts[key], key), default=None)",
        "key=lambda key: -counts[key], default=None)",
    ),
    Mutant(
        "`sequence`: in this order",
        "engage/domain/expression/functions.py",
        "fact.timestamp - start < within)",
        "fact.timestamp - start <= within)",
    ),
    Mutant(
        "`in_audience` (cycles",
        "engage/domain/expression/evaluate.py",
        "bool(scope.subscribed(channel, topic))",
        "not scope.subscribed(channel, topic)",
    ),
    Mutant(
        "`ago`, `ahead`",
        "engage/domain/expression/evaluate.py",
        "return lambda scope, _event: shifted(scope.now, shift)",
        "return lambda scope, _event: shifted(scope.now, -shift)",
    ),
    Mutant(
        "Filters.",
        "engage/domain/expression/words.py",
        "return value[max(0, len(value) - size) :]",
        "return value[:size]",
    ),
    Mutant(
        "Tests.",
        "engage/domain/expression/testing_values.py",
        "value.endswith(part)",
        "value.startswith(part)",
    ),
    Mutant(
        "Booleans are not numbers",
        "engage/domain/expression/values.py",
        "        return a is b\n    if is_number(a):",
        "        return a == b\n    if is_number(a):",
    ),
    Mutant(
        "`< <= > >=` with none",
        "engage/domain/expression/values.py",
        "        return is_number(b) and a < b\n",
        "        return a < b if is_number(b) else a < len(str(b))\n",
    ),
    Mutant(
        "Truth: none, false",
        "engage/domain/expression/evaluate.py",
        "return lambda scope, event: bool(left(scope, event) and right(scope, event))",
        "return lambda scope, event: left(scope, event) and right(scope, event)",
    ),
    Mutant(
        "Numbers are exact",
        "engage/domain/expression/numbers.py",
        "if 2 * rest >= abs(bottom):",
        "if 2 * rest > abs(bottom):",
    ),
    Mutant(
        "`number` accepts decimal",
        "engage/domain/expression/values.py",
        "return civil(day, time(), zone)",
        'return civil(day, time(), ZoneInfo("UTC"))',
    ),
    Mutant(
        "`matching` searches",
        "engage/domain/expression/evaluate.py",
        "return isinstance(value, str) and first_match(regex, value) is not None",
        "return isinstance(value, str) and first_match(regex, value) == value",
    ),
    Mutant(
        "Windows count facts",
        "engage/domain/expression/functions.py",
        "return found[bisect_right(found, shifted(scope.now, oldest), key=timestamp_of) :]",
        "return found[bisect_left(found, shifted(scope.now, oldest), key=timestamp_of) :]",
    ),
    Mutant(
        "Several events at one instant",
        "engage/domain/expression/functions.py",
        '_in_order = attrgetter("timestamp", "arrival")',
        '_in_order = attrgetter("timestamp")',
    ),
    Mutant(
        "No data makes",
        "engage/domain/expression/words.py",
        "    if is_number(value):\n        return value\n    if not isinstance(value, str) or len",
        "    if is_number(value):\n        return value\n    if len",
    ),
    Mutant(
        "Python and SQL agree",
        "engage/storage/expression_sql/comparing.py",
        "return _ordered(Op.LT if op is Op.GT else Op.LE, right, left)",
        "return _ordered(Op.LT if op is Op.GT else Op.LE, left, right)",
    ),
    Mutant(
        "An expression sees exactly",
        "engage/domain/turn/react.py",
        "        turn.count(person, event)\n        touched.events.add(event.name)\n        touched.consent = touched.consent or event.name in _OF_CONSENT\n    follow(turn, person, touched)\n",
        "        touched.events.add(event.name)\n        touched.consent = touched.consent or event.name in _OF_CONSENT\n    follow(turn, person, touched)\n    if event is not None:\n        turn.count(person, event)\n",
    ),
    Mutant(
        "An expression sees exactly",
        "engage/engine/digest/play.py",
        "turn.begin(fact_id=_identity(row, fact), now=latest,",
        "turn.begin(fact_id=_identity(row, fact), now=batch.horizon or latest,",
    ),
]
