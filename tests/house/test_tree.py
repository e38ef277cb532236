"""What stands in the repository keeps the rules of the house."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST_FILE_LINES = 400
DRAWERS = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc)$")
# Of the place where something was written, nothing may stay behind: machine paths and package hosts.
FOREIGN = ["/" + "work/", "/" + "root/", "pypi.org/" + "simple", "files.python" + "hosted"]


@cache
def tracked() -> list[Path]:
    """Every file that git knows or would take up; outside a repository every file that is not hidden."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [
            path
            for path in REPOSITORY.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
        ]
    return [path for path in paths if path.is_file()]


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_the_tree_is_seen() -> None:
    assert REPOSITORY / "engage" / "__init__.py" in tracked()


def test_no_python_file_is_longer_than_a_head_can_hold() -> None:
    code = [path for path in tracked() if path.suffix == ".py" and "migrations" not in path.parts]

    long = {
        named(path): lines
        for path in code
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE_LINES
    }

    assert long == {}


def test_no_file_or_folder_is_a_drawer_for_everything() -> None:
    code = [path.relative_to(REPOSITORY) for path in tracked() if path.suffix == ".py"]

    drawers = [
        str(path) for path in code if any(DRAWERS.search(part) for part in (*path.parts[:-1], path.stem))
    ]

    assert drawers == []


def test_nothing_names_the_place_where_it_was_written() -> None:
    found = []
    for path in tracked():
        if path.name == "requirements.lock":  # hashes and names; its own test below looks for addresses
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{named(path)}: {word}" for word in FOREIGN if word in text]

    assert found == []


def locked() -> dict[str, str]:
    """Each package of the lock file with the lines that belong to it."""
    blocks = re.split(
        r"^(?=[a-z0-9._-]+==)", (REPOSITORY / "requirements.lock").read_text(), flags=re.MULTILINE
    )[1:]
    return {block.partition("==")[0]: block for block in blocks}


def test_the_lock_file_names_no_registry_and_every_package_has_a_hash() -> None:
    assert "://" not in (REPOSITORY / "requirements.lock").read_text()
    assert [name for name, block in locked().items() if "--hash=sha256:" not in block] == []


def test_the_lock_file_holds_everything_the_project_asks_for() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]

    missing = {re.split(r"[^a-z0-9-]", name.lower(), maxsplit=1)[0] for name in asked} - set(locked())

    assert missing == set()


def test_every_step_of_the_schema_has_a_number_of_its_own_and_follows_the_one_before() -> None:
    folder = REPOSITORY / "engage/storage/migrations/versions"
    names = sorted(path.name for path in folder.glob("[0-9]*.py"))
    texts = [(folder / name).read_text() for name in names]

    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]
    for number, text in enumerate(texts, 1):
        before = f'"{number - 1:04}"' if number > 1 else "None"
        assert f'\nrevision = "{number:04}"\ndown_revision = {before}\n' in text, names[number - 1]
