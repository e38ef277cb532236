"""Since when a trait has its value: SQL, Python and a recomputation from all that was told say the same."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.domain.ids import ProfileId, uuid7
from engage.domain.profile.person import Person
from engage.domain.profile.profile import Profile
from engage.storage.postgres.session import Connection
from tests.domain.expression.asking import NOW
from tests.storage.expression_sql.asking import judged, scope_of, settle_persons
from tests.storage.expression_sql.test_agreement import EXAMPLES, rule_of

pytestmark = pytest.mark.live

MINUTES = 20
HISTORIES = st.dictionaries(
    st.integers(1, MINUTES), st.sampled_from([None, "free", "pro", "pro", "pro"]), min_size=1, max_size=10
)
"""What was said of a plan, by how many minutes ago."""


def somebody(number: int, told: dict[int, Any], data: st.DataObject) -> Person:
    """Return a person to whom all this was told in some order, partly while they were thought to be two."""
    key = ProfileId(uuid7(NOW, "told", str(number)))
    two = [Profile(id=key, bucket_key="k", created_at=NOW, lane=0) for _ in range(2)]
    for minute in data.draw(st.permutations(list(told))):
        profile = data.draw(st.sampled_from(two))
        profile.write_traits({"plan": told[minute]}, NOW - timedelta(minutes=minute))
    two[0].unite_traits(two[1])
    return Person(two[0])


def minutes_since(told: dict[int, Any]) -> int:
    """Return for how many minutes the plan is what it is, by definition."""
    present = min(told)
    for minute in sorted(told):
        if told[minute] != told[min(told)]:
            break
        present = minute
    return present


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=EXAMPLES
)
@given(histories=st.lists(HISTORIES, min_size=1, max_size=5), data=st.data())
def test_sql_python_and_a_recomputation_agree(
    connection: Connection, histories: list[dict[int, Any]], data: st.DataObject
) -> None:
    rules = [rule_of(f"changed_at('plan') <= ago('{minute} minutes')") for minute in range(1, MINUTES + 1)]
    people = [somebody(number, told, data) for number, told in enumerate(histories)]
    world = settle_persons(connection, people)

    answers = judged(connection, rules, NOW)

    for person, told in zip(people, histories, strict=True):
        expected = [minutes_since(told) >= minute for minute in range(1, MINUTES + 1)]
        assert [rule.truth(scope_of(world.persons[person.id], NOW)) for rule in rules] == expected
        assert answers[person.id] == [(truth, truth) for truth in expected]
