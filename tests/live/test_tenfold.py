"""Ten times what the stack can do is offered for a while: measured first, then offered by clients that do not wait for answers."""

from collections.abc import Iterator

import pytest

from engage.bench.figures import Figures
from engage.bench.workload import Place
from engage.bench.workloads.overload import TIMES, run_overload

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = 8.0
CLIENTS_SECONDS = 10.0
"""For as long Segment's client for Node waits for an answer."""


@pytest.fixture(scope="module")
def found() -> Iterator[Figures]:
    with Place() as place:
        yield run_overload(place.stack, SECONDS)


def test_ten_times_the_capacity_was_offered(found: Figures) -> None:
    assert found.more["offered_ratio"] >= 0.9 * TIMES
    assert found.more["refused"] > 0


def test_what_was_accepted_is_stored_once_and_answered_by_one_text_each(found: Figures) -> None:
    assert list(found.faults) == []
    assert found.more["accepted_ratio"] > 0


def test_everybody_is_answered_before_they_hang_up(found: Figures) -> None:
    assert found.more["unanswered"] == 0
    assert found.more["accepted_p99_ms_flood"] < 1_000 * CLIENTS_SECONDS
    assert found.more["refused_p50_ms"] < found.more["accepted_p50_ms_flood"]


def test_hints_and_memory_are_bounded(found: Figures) -> None:
    assert found.more["hints_most"] <= 100
    assert found.more["grown_mb"] <= 100


def test_what_was_taken_in_is_digested_within_seconds_and_codes_do_not_wait_for_all_of_it(
    found: Figures,
) -> None:
    assert found.more["inbox_most_s"] <= 3
    assert found.more["code_p99_ms_flood"] < found.more["accepted_p99_ms_flood"]


def test_it_is_over_soon_after_it_is_over(found: Figures) -> None:
    assert found.more["recovered_s"] <= 2 * SECONDS
