"""A rule pack of the project's own: checked, published, kept, told by `why`, exported again."""

from pathlib import Path

import pytest

from tests.cli.conftest import Author

PACK = """
law: us
version: ours-7
title: Ours
rules:
  - {id: us-one, title: One a month, source: our counsel, effective: 2020-01-01, places: [US], channels: [sms], limit: {count: 1, per: 30 days}}
"""
JOURNEY = """
journey: hello
topic: promotions
trigger: {event: Order Completed}
entry: {reentry: always}
steps:
  - sms: {text: "Shop: hello. Reply STOP to opt out."}
"""


@pytest.fixture
def ours(author: Author) -> Author:
    """A shop with a pack of its own and no quiet hours."""
    author.write("journeys/law/us.yaml", PACK)
    author.write("journeys/hello.yaml", JOURNEY)
    author.edit(
        "journeys/settings.yaml",
        'quiet_hours: {from: "21:00", to: "08:00", channels: [sms, mms, whatsapp, voice], on_quiet: hold}',
        'quiet_hours: "off"',
    )
    author.edit("journeys/settings.yaml", "sms: opt_in}", "sms: opt_out}")
    return author


def test_mistakes_in_a_pack_are_told_with_their_place(author: Author) -> None:
    author.write(
        "journeys/law/us.yaml", PACK.replace("places: [US]", "places: [Texas]").replace("2020-01-01", "soon")
    )
    author.edit("journeys/settings.yaml", "law: [us, ca, eu, fr]", "law: [us, de]")

    told = author.run("check", code=1)

    assert "journeys/law/us.yaml:6:70: `soon` is not a day; write `2025-09-01`" in told
    assert "`Texas` is not a place; write a country (`FR`) or a state (`US-FL`)" in told
    assert "there is no rule pack `de`" in told


def test_a_pack_is_named_like_its_file(author: Author) -> None:
    author.write("journeys/law/texas.yaml", PACK)

    assert "the law is called `us`, its file `texas.yaml`" in author.run("check", code=1)


@pytest.mark.live
def test_the_rule_of_a_refusal_is_told_with_its_version(ours: Author, shop: Author, tmp_path: Path) -> None:
    shop.json("publish")
    shop.identify("ada", phone="+13055550101", timezone="America/New_York")
    shop.track("ada", "Order Completed", total=5)
    shop.track("ada", "Order Completed", total=5)

    text = shop.run("why", "ada", "hello")
    assert text.count("sent, taken by") == 1
    assert "not sent, law (law us-one, us ours-7: at most 1 in 720 hours (US by zone))" in text
    assert "nothing would change" in shop.run("plan").lower()

    shop.run("export", str(tmp_path / "out"))
    assert (tmp_path / "out/journeys/law/us.yaml").read_text() == PACK
