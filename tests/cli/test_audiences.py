"""`audience preview` tells how many a rule would hold, before anybody is in it; `audience export` writes who is."""

import csv
import io

import pytest

from tests.cli.conftest import Author

pytestmark = pytest.mark.live

PRO = "audience: pro\nwhere: profile.plan == 'pro'\n"
# What a regular expression finds is left to the core, whatever SQL thinks.
MATCHED = "audience: matched\nwhere: profile.plan is matching('^p') and in_audience('pro')\n"


@pytest.fixture
def crowd(shop: Author) -> Author:
    """A shop with six people, two of them on the plan, and rules that nobody has published."""
    shop.json("publish")
    for number in range(6):
        shop.identify(f"user-{number}", plan="pro" if number % 3 == 0 else "plus")
    shop.write("journeys/audiences/pro.yaml", PRO)
    shop.write("journeys/audiences/matched.yaml", MATCHED)
    return shop


@pytest.mark.parametrize("options", [[], ["--exact"]])
@pytest.mark.parametrize("audience", ["pro", "matched"])
def test_the_size_of_an_audience_is_told_before_it_is_published(
    crowd: Author, audience: str, options: list[str]
) -> None:
    found = crowd.json("audience", "preview", audience, *options)

    assert (found["size"], found["everybody"], found["exact"], found["error"]) == (2, 6, True, 0)
    assert sorted(person["ids"] for person in found["sample"]) == [["user_id:user-0"], ["user_id:user-3"]]
    assert crowd.run("audience", "preview", audience, *options).startswith(f"{audience}: 2 of 6 people\n")
    with crowd.runtime() as runtime:
        assert audience not in runtime.catalog().audiences


def test_a_sample_is_as_long_as_was_asked_for(crowd: Author) -> None:
    assert len(crowd.json("audience", "preview", "pro", "--sample", "1")["sample"]) == 1
    assert crowd.json("audience", "preview", "pro", "--sample", "0")["sample"] == []


def test_an_audience_that_does_not_exist_is_told_with_those_that_do(crowd: Author) -> None:
    told = crowd.run("audience", "preview", "pros", code=1)

    assert "there is no audience `pros`" in told
    assert "pro" in told.split("there are:")[1]


def test_a_rule_with_a_mistake_is_told_as_check_tells_it(crowd: Author) -> None:
    crowd.write("journeys/audiences/odd.yaml", "audience: odd\nwhere: profile.plan = 'pro'\n")

    assert "journeys/audiences/odd.yaml:2:" in crowd.run("audience", "preview", "odd", code=1)


def test_members_are_written_as_rows_that_no_spreadsheet_computes(crowd: Author) -> None:
    crowd.identify("=HYPERLINK(1)", plan="pro", email="ada@home.example", phone="+12125550101")
    crowd.json("publish")

    crowd.run("audience", "export", "pro", "-o", "members.csv")
    rows = list(csv.DictReader(io.StringIO((crowd.folder / "members.csv").read_text())))

    assert sorted(row["user_id"] for row in rows) == ["'=HYPERLINK(1)", "user-0", "user-3"]
    assert [(row["email"], row["phone"]) for row in rows if row["email"]] == [
        ("ada@home.example", "+12125550101")
    ]
    assert "there is no live audience" in crowd.run("audience", "export", "nobody", code=1)


def test_memberships_follow_a_change_of_the_house_rules(crowd: Author) -> None:
    crowd.identify("ada", email="ada@home.example")
    crowd.write(
        "journeys/audiences/reachable.yaml", "audience: reachable\nwhere: subscribed('email', 'promotions')\n"
    )
    crowd.json("publish")
    assert "ada" in crowd.run("audience", "export", "reachable")

    crowd.edit("journeys/settings.yaml", "email: opt_out", "email: opt_in")
    crowd.json("publish")
    assert "ada" not in crowd.run("audience", "export", "reachable")
