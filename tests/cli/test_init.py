"""`engage init` makes a project that passes, and touches nothing that is there."""

from tests.cli.conftest import Author


def test_a_new_project_passes_every_check_and_its_own_tests(author: Author) -> None:
    assert "0 errors, 0 warnings" in author.run("check", "--strict")
    assert author.json("test")["failed"] == 0


def test_a_new_project_has_one_of_everything(author: Author) -> None:
    for path in ("journeys/welcome.yaml", "journeys/audiences/customers.yaml", "journeys/tests/welcome.yaml"):
        assert (author.folder / path).is_file()
    assert (author.folder / "templates/welcome/email.html").is_file()
    assert ".env" in (author.folder / ".gitignore").read_text()


def test_a_folder_with_something_in_it_is_left_alone(author: Author) -> None:
    assert "is not empty" in author.run("init", ".", code=2)


def test_a_mistake_is_told_with_its_place_and_exits_1(author: Author) -> None:
    author.edit("journeys/welcome.yaml", "reentry: never", "re_entry: never")

    assert "journeys/welcome.yaml:" in author.run("check", code=1)
    assert "reentry" in author.json("check", code=1)["errors"][0]["hint"]


def test_every_kind_of_file_has_a_schema(author: Author) -> None:
    for kind in ("journey", "audience", "trait", "scenario", "settings", "meta", "template meta"):
        assert '"$schema"' in author.run("schema", kind)
    assert author.run("schema").startswith("{")


def test_a_file_or_a_folder_of_a_project_can_be_checked_alone(author: Author) -> None:
    author.edit("journeys/welcome.yaml", "reentry: never", "re_entry: never")

    assert "journeys/welcome.yaml:" in author.run("check", "journeys/welcome.yaml", code=1)
    assert "0 errors" in author.run("check", "journeys/audiences")
    assert "1 error," in author.run("check", "journeys", code=1)
