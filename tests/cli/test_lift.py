"""`engage suppression lift`: an address comes off the list, and the trail says who did it and nothing of whom."""

from pathlib import Path

import pytest

from engage.domain.consent.consent import Consents
from engage.engine.accept.intake import NOBODY
from engage.ports.trail import AuditEntry
from tests.cli.conftest import Author

pytestmark = pytest.mark.live
ADA, BOB = "ada@shop.example", "+14155550101"


@pytest.fixture
def listed(shop: Author, tmp_path: Path) -> Author:
    """A shop with a list of addresses that must not be used."""
    file = tmp_path / "list.csv"
    file.write_text(
        "address,channel,reason\n"
        f"{ADA},email,bounced\n{BOB},sms,invalid_address\n{BOB},voice,invalid_address\neve@shop.example,email,complained\n"
    )
    shop.run("suppression", "import", str(file))
    return shop


def view(shop: Author, *pairs: tuple[str, str]) -> Consents:
    with shop.runtime() as runtime, runtime.store.transaction() as tx:
        return tx.consents.view([NOBODY], {NOBODY: pairs})[NOBODY]


def trail(shop: Author) -> list[AuditEntry]:
    with shop.runtime() as runtime:
        return [entry for entry in runtime.operate.trail() if entry.action == "lift"]


def test_a_lifted_address_is_used_again_and_is_no_longer_exported(listed: Author) -> None:
    told = listed.run("suppression", "lift", "Ada@Shop.example")

    assert told == f"{ADA} may be used for email again; it was on the list as bounced\n"
    assert view(listed, ("email", ADA)).suppressed == {}
    assert ADA not in listed.run("suppression", "export")
    (entry,) = trail(listed)
    assert (entry.subject, entry.data) == ("email", {"was": "bounced"})
    assert entry.actor.startswith("cli:")


def test_it_is_lifted_for_one_channel_alone(listed: Author) -> None:
    assert listed.json("suppression", "lift", "(415) 555-0101", "--channel", "voice") == {
        "address": BOB,
        "channel": "voice",
        "was": "invalid_address",
    }

    assert view(listed, ("sms", BOB), ("voice", BOB)).suppressed == {("sms", BOB): "invalid_address"}
    listed.run("suppression", "lift", BOB)
    assert view(listed, ("sms", BOB), ("voice", BOB)).suppressed == {}


def test_who_complained_is_lifted_only_by_their_own_wish(listed: Author) -> None:
    refused = listed.run("suppression", "lift", "eve@shop.example", code=1)
    assert "--complaint" in refused
    assert trail(listed) == []

    listed.run("suppression", "lift", "eve@shop.example", "--complaint")

    assert view(listed, ("email", "eve@shop.example")).suppressed == {}


def test_what_is_not_on_the_list_cannot_be_lifted(listed: Author) -> None:
    listed.run("suppression", "lift", ADA)

    assert "nothing to lift" in listed.run("suppression", "lift", ADA, code=1)
    assert "is no address for sms" in listed.run("suppression", "lift", "nonsense", code=2)
    assert len(trail(listed)) == 1


def test_a_new_bounce_puts_it_back(listed: Author, tmp_path: Path) -> None:
    listed.run("suppression", "lift", ADA)
    file = tmp_path / "again.csv"
    file.write_text(f"address,reason\n{ADA},bounced\n")

    listed.run("suppression", "import", str(file))

    assert view(listed, ("email", ADA)).suppressed == {("email", ADA): "bounced"}
