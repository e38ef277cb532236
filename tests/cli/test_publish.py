"""What is live changes only by a plan that holds, one transaction at a time, and can be taken back."""

from pathlib import Path
from typing import Any

import pytest

from engage.domain.fact import Identifier
from tests.cli.conftest import Author

pytestmark = pytest.mark.live


def parts(plan: Any, name: str) -> dict[str, str]:
    """Return the parts of one definition that a plan changes, with what happens to them."""
    for planned in plan["changes"]:
        if planned["change"]["name"] == name:
            return {part["part"]: part["edit"] for part in planned["change"].get("parts", ())}
    raise AssertionError(f"{name} does not change")


def people(plan: Any, name: str) -> Any:
    return next(p.get("people", {}) for p in plan["changes"] if p["change"]["name"] == name)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_publishing_twice_changes_nothing(shop: Author) -> None:
    assert shop.json("publish")["epoch"] == 1

    assert shop.json("publish") == {"epoch": 1, "added": [], "changed": [], "removed": [], "job": None}
    assert shop.json("plan")["changes"] == []


def test_an_edit_without_a_change_of_meaning_publishes_nothing(shop: Author) -> None:
    shop.json("publish")
    shop.edit("journeys/welcome.yaml", "wait: 3 days", 'wait: "72h"      # three days')

    assert shop.json("plan")["changes"] == []
    assert shop.json("publish")["epoch"] == 1


def test_a_plan_names_what_changes_step_by_step(shop: Author) -> None:
    shop.json("publish")
    shop.edit("journeys/welcome.yaml", "reentry: never", "reentry: 30 days")
    shop.edit(
        "journeys/welcome.yaml", "  - wait: 3 days\n", "  - wait: 2 days\n  - emit: {event: Welcomed}\n"
    )
    shop.edit("journeys/welcome.yaml", "sms: first-order", "sms: {template: first-order, topic: promotions}")

    assert parts(shop.json("plan"), "welcome") == {
        "entry": "changed",
        "step 1": "changed",
        "step 2": "added",
        "step nudge": "changed",
    }


def test_a_plan_says_what_differs_in_a_step_that_reads_the_same(shop: Author) -> None:
    shop.json("publish")
    shop.edit("journeys/welcome.yaml", "id: nudge", "id: reminder")
    shop.edit("journeys/welcome.yaml", "topic: account}", "topic: account, with: {code: X}}")

    text = shop.run("plan")

    assert "step reminder: id nudge → id reminder" in text
    assert 'step hello: with [] → with [["code","X"]]' in text


def test_a_step_that_only_shifted_is_not_a_change(shop: Author) -> None:
    shop.json("publish")
    shop.edit("journeys/welcome.yaml", "steps:\n", "steps:\n  - emit: {event: Begun}\n")

    assert parts(shop.json("plan"), "welcome") == {"step 0": "added"}


def test_a_step_that_went_into_a_branch_has_moved(shop: Author) -> None:
    shop.json("publish")
    shop.edit("journeys/welcome.yaml", "  - wait: 3 days\n", "")
    shop.edit("journeys/welcome.yaml", "        then:\n", "        then:\n          - wait: 3 days\n")

    assert parts(shop.json("plan"), "welcome") == {"step 1.0.then.0": "moved"}


def test_a_plan_counts_those_who_wait_at_what_changes(shop: Author) -> None:
    shop.json("publish")
    for person in ("ada", "bob"):
        shop.track(person, "Signed Up")
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 2 days")

    plan = shop.json("plan")

    assert people(plan, "welcome") == {
        "inside": {"1": 2},
        "waiting": {"step 1": 2},
        "lately": {"entered": 2, "sends": {"email": 2, "sms": 2}},
    }
    assert "2 inside version 1" in shop.run("plan")


def test_a_plan_counts_who_would_enter_at_once(shop: Author) -> None:
    shop.json("publish")
    for person in ("ada", "bob", "eve"):
        shop.track(person, "Order Completed" if person != "eve" else "Looked", total=10)
    shop.write(
        "journeys/thanks.yaml",
        "journey: thanks\ntopic: promotions\ntrigger: {audience: {entered: customers}, existing: include}\n"
        "entry: {reentry: never}\nsteps: [{email: {template: welcome, topic: account}}]\n",
    )

    plan = shop.json("plan")

    assert people(plan, "thanks") == {"entering": 2, "sends_ahead": {"email": 2}}
    shop.run("publish", "--yes")
    with shop.runtime() as runtime:
        assert runtime.reading.journey("thanks").active == {1: 2}


def test_the_size_of_a_new_audience_is_known_before_it_is_published(shop: Author) -> None:
    shop.json("publish")
    for person, total in (("ada", 10), ("bob", 90)):
        shop.track(person, "Order Completed", total=total)
    shop.write("journeys/traits/spent.yaml", "trait: spent\nvalue: sum('Order Completed', 'total')\n")
    shop.write("journeys/audiences/big.yaml", "audience: big\nwhere: profile.spent > 50\n")

    assert people(shop.json("plan"), "big") == {"matching": 1}


def test_a_kept_plan_publishes_what_was_reviewed(shop: Author) -> None:
    shop.run("plan", "-o", "reviewed.json")
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 4 days")

    shop.run("publish", "reviewed.json", "--yes")

    assert parts(shop.json("plan"), "welcome") == {"step 1": "changed"}


def test_a_plan_is_refused_once_something_else_was_published(shop: Author) -> None:
    shop.json("publish")
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 4 days")
    shop.run("plan", "-o", "mine.json")
    shop.edit("journeys/welcome.yaml", "wait: 4 days", "wait: 5 days")
    shop.json("publish")

    assert "plan again" in shop.run("publish", "mine.json", "--yes", code=1)
    assert shop.json("plan")["epoch"] == 2


def test_a_plan_is_refused_once_a_journey_was_paused(shop: Author) -> None:
    shop.json("publish")
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 4 days")
    shop.run("plan", "-o", "mine.json")
    with shop.runtime() as runtime:
        runtime.publish.set_state("welcome", "paused")

    assert "plan again" in shop.run("publish", "mine.json", "--yes", code=1)


def test_publishing_asks_and_no_is_an_answer(shop: Author) -> None:
    assert "publish this?" in shop.run("publish", answer="n\n", code=1)
    assert shop.json("plan")["epoch"] == 0


def test_a_project_with_mistakes_is_not_published(shop: Author) -> None:
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 3 moons")

    assert "journeys/welcome.yaml:15" in shop.run("publish", "--yes", code=1)


def test_a_file_that_is_no_plan_is_not_published(shop: Author) -> None:
    assert "is no plan" in shop.run("publish", "journeys/welcome.yaml", "--yes", code=2)


def test_what_is_published_is_on_the_audit_trail(shop: Author) -> None:
    shop.json("publish")
    shop.json("publish")
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 4 days")
    shop.json("publish")
    shop.json("rollback", "welcome")

    with shop.runtime() as runtime:
        trail = [(entry.action, entry.subject) for entry in runtime.operate.trail()]
        assert all(entry.actor.startswith("cli:") for entry in runtime.operate.trail())
    assert trail == [("rollback", "welcome"), ("publish", "project"), ("publish", "project")]


def test_a_rollback_makes_the_version_before_live_again_as_the_newest(shop: Author) -> None:
    shop.json("publish")
    original = (shop.folder / "journeys/welcome.yaml").read_bytes()
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 4 days")
    shop.json("publish")

    shop.run("rollback", "welcome", "--yes")
    shop.run("export", "../out")

    assert (shop.folder / "../out/journeys/welcome.yaml").read_bytes() == original
    assert "version 3 → 4" in shop.run("plan")


def test_there_is_no_way_back_from_the_first_version(shop: Author) -> None:
    shop.json("publish")

    assert "no version before 1" in shop.run("rollback", "welcome", code=1)
    assert "no version 7" in shop.run("rollback", "welcome", "7", code=1)
    assert "no journey `other`" in shop.run("rollback", "other", code=1)


def test_export_then_publish_changes_nothing(shop: Author) -> None:
    shop.json("publish")
    shop.run("export", "../out")

    assert shop.json("publish", "../out")["epoch"] == 1
    for path, content in tree(shop.folder / "../out").items():
        if not path.startswith("."):
            assert content == (shop.folder / path).read_bytes()


def test_exporting_twice_gives_the_same_bytes(shop: Author) -> None:
    shop.json("publish")
    shop.run("export", "../one")
    shop.run("export", "../one")
    shop.run("export", "../two")

    assert tree(shop.folder / "../one") == tree(shop.folder / "../two")


def test_what_is_not_live_any_more_leaves_an_export_and_strangers_files_stay(shop: Author) -> None:
    shop.json("publish")
    shop.run("export", "../out")
    out = shop.folder / "../out"
    (out / "journeys/mine.yaml").write_text("journey: mine\n")
    shop.remove("templates/first-order")
    shop.edit("journeys/welcome.yaml", "sms: first-order", "emit: {event: Nudge}")
    shop.edit("journeys/welcome.yaml", "            expires: 1 day\n", "")
    shop.json("publish")

    said = shop.json("export", "../out")

    assert said["removed"] == ["templates/first-order/meta.yaml", "templates/first-order/sms.txt"]
    assert not (out / "templates/first-order").exists()
    assert (out / "journeys/mine.yaml").exists()


def test_a_template_may_not_begin_to_require_what_people_inside_do_not_have(shop: Author) -> None:
    shop.json("publish")
    shop.track("ada", "Signed Up")
    shop.edit("templates/first-order/meta.yaml", "description:", "required: [code]\ndescription:")
    shop.edit("journeys/welcome.yaml", "sms: first-order", "sms: {template: first-order, with: {code: X}}")

    assert "cannot be published" in shop.run("publish", "--yes", code=1)
    assert shop.json("plan", code=1)["blockers"] != []


def test_people_find_themselves_in_new_audiences_when_publishing_returns(shop: Author) -> None:
    shop.track("ada", "Order Completed", total=10)

    shop.json("publish")

    with shop.runtime() as runtime:
        ada = runtime.reading.find(Identifier("user_id", "ada"))
        assert ada is not None
        assert [inside.audience for inside in runtime.reading.audiences(ada)] == ["customers"]


def test_a_plan_against_another_installation_reads_its_settings(shop: Author, migrated_url: str) -> None:
    shop.json("publish")
    shop.write(".env.staging", f"ENGAGE_DATABASE_URL='{migrated_url}'\n")

    assert "there is no file .env.moon" in shop.run("plan", "--env", "moon", code=2)
    assert shop.json("plan")["changes"] == []
    assert len(shop.json("plan", "--env", "staging")["changes"]) == 5


def test_a_plan_foresees_sends_and_what_they_cost(shop: Author) -> None:
    settings = (shop.folder / "journeys/settings.yaml").read_text()
    shop.write("journeys/settings.yaml", settings + "prices: {currency: EUR, sms: 0.05, email: 0.001}\n")
    shop.json("publish")
    for person in ("ada", "bob"):
        shop.track(person, "Signed Up")
        shop.track(person, "Order Completed", total=5)
    shop.edit("journeys/welcome.yaml", "wait: 3 days", "wait: 4 days")
    shop.write(
        "journeys/thanks.yaml",
        "journey: thanks\ntopic: promotions\ntrigger: {audience: {entered: customers}, existing: include}\n"
        "entry: {reentry: never}\nsteps: [{sms: first-order}]\n",
    )

    plan = shop.json("plan")
    lately, ahead = people(plan, "welcome")["lately"], people(plan, "thanks")

    assert lately == {"entered": 2, "sends": {"email": 2, "sms": 2}, "cost": 0.102}
    assert (ahead["entering"], ahead["sends_ahead"], ahead["cost_ahead"]) == (2, {"sms": 2}, 0.1)
    text = shop.run("plan")
    assert "2 entered in the last 30 days: as many more would get at most 2 email, 2 sms, 0.10 EUR" in text
    assert "sends ahead to those who enter at once: at most 2 sms, 0.10 EUR" in text


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        ("{event: Looked}", {"expected": {"entered": 2, "sends": {"sms": 2}}}),
        ("{event: 'Loo*'}", {"expected": {"entered": 2, "sends": {"sms": 2}}}),
        (
            "{event: [Slept, Ate]}",
            {"unknown": "nobody did `Slept` or `Ate` in the last 30 days"},
        ),
        ("{api: true}", {"unknown": "it depends on who calls"}),
        ("{inbound: {channel: sms}}", {"unknown": "nobody did `SMS Received` in the last 30 days"}),
        ("{trait: {changed: plan}}", {"unknown": "how often a trait changes is not kept"}),
        ("{audience: {left: customers}}", {"unknown": "it depends on who will enter or leave the audience"}),
    ],
)
def test_a_plan_foresees_a_journey_that_was_never_live(
    shop: Author, trigger: str, told: dict[str, object]
) -> None:
    shop.json("publish")
    for person in ("ada", "ada", "bob"):
        shop.track(person, "Looked")
    shop.write(
        "journeys/new.yaml",
        f"journey: new\ntopic: promotions\ntrigger: {trigger}\nentry: {{reentry: never}}\nsteps: [{{sms: first-order}}]\n",
    )

    assert people(shop.json("plan"), "new") == told
    words = "2 people did what starts it" if "expected" in told else str(told["unknown"])
    assert words in shop.run("plan")
