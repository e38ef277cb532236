"""The page of templates: every filter there is, and every example of it works and shows what it claims."""

from decimal import Decimal
from typing import Any

import pytest

from engage.cli.manual import templates as page
from engage.cli.manual.templates import DATES
from engage.templating.check import NAMES as KNOWN
from engage.templating.filters import FILTERS
from engage.templating.functions import FUNCTIONS
from tests.templating.build import mail, text

PROFILE: dict[str, Any] = {"first_name": "Ada", "phone": "+12125550101", "score": "9"}
ENTRY: dict[str, Any] = {
    "starts_at": "2026-03-06T16:00:00-05:00",
    "total": Decimal("80.5"),
    "change": -3,
    "colour": "green",
    "note": "row 7 - left",
    "tags": ["a", "b", "a"],
    "sizes": [1, 2, 3],
    "address": {"city": "Hudson"},
    "products": [{"name": "Pot", "price": 24, "kind": "iron"}, {"name": "Pan", "price": 12, "kind": "iron"}],
}


def test_every_filter_has_words() -> None:
    assert set(page.FILTERS) | set(page.SHORT) == set(FILTERS)
    assert all(FILTERS[short] is FILTERS[name] for short, name in page.SHORT.items())


def test_every_name_of_a_template_is_on_the_page() -> None:
    shown = {name.partition(".")[0].partition("(")[0] for name in page.NAMES}
    elsewhere = {"ahead", "secret", "namespace"}  # beside `ago`; calls only; rarely needed

    assert set(KNOWN) | set(FUNCTIONS) == shown | elsewhere


@pytest.mark.parametrize("name", page.FILTERS)
def test_the_example_of_a_filter_prints_something(name: str) -> None:
    example, _ = page.FILTERS[name]

    assert name in example
    assert text(f"{{{{ {example} }}}}", profile=PROFILE, entry=ENTRY) != ""


@pytest.mark.parametrize(("source", "shown"), DATES.items())
def test_days_and_money_are_read_as_the_page_says(source: str, shown: str) -> None:
    assert text(source, zone="America/New_York", entry=ENTRY) == shown


def test_the_loop_of_the_page_is_one() -> None:
    files = {"email": f"<body>{page.LOOP}</body>", "meta": {"subject": "Hi"}}

    html = mail(files, {"foot.html": "<p>Shop</p>"}, entry=ENTRY).html

    assert html is not None
    assert [words in html for words in ("Dear Ada", "1. Pot, $24.00", "<p>Shop</p>")] == [True] * 3
