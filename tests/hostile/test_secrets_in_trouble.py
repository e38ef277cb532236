"""A secret that is wrong, or whose other side is away, is named and never shown: by no command and no process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from traceback import format_exception

import pytest
from click.testing import CliRunner

from engage.cli.main import engage
from engage.settings import SettingsError, load_settings
from tests.cli.conftest import migrated_url

__all__ = ["migrated_url"]
REPOSITORY = Path(__file__).resolve().parents[2]
MARK = "5ec2e7"
"""Stands in every secret, and nowhere else."""
AWAY = {
    "ENGAGE_DATABASE_URL": f"postgresql://shop:{MARK}@127.0.0.1:9/shop",
    "ENGAGE_BROKER_URL": f"redis://:{MARK}@127.0.0.1:9/0",
    "ENGAGE_SECRET_KEY": f"{MARK}-a,{MARK}-b",
    "ENGAGE_ERASURE_PEPPER": MARK,
    "ENGAGE_WRITE_KEYS": f"{MARK}w:server,{MARK}x:browser",
    "ENGAGE_API_TOKENS": f"et_{MARK}",
    "TWILIO_ACCOUNT_SID": "AC" + "a" * 32,
    "TWILIO_AUTH_TOKEN": f"{MARK},{MARK}2",
    "TWILIO_API_KEY": "SK" + "a" * 32,
    "TWILIO_API_SECRET": MARK,
    "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
    "SENDGRID_API_KEY": f"SG.{MARK}",
    "SENDGRID_API_BASE_URL": "http://127.0.0.1:9",
    "ENGAGE_DESTINATION_CRM": f"https://{MARK}@127.0.0.1:9/",
    "ENGAGE_USERSECRET_DESK": MARK,
    "ENGAGE_PUBLIC_URL": "https://engage.example",
}
WRONG: dict[str, list[str]] = {
    "ENGAGE_DATABASE_URL": [
        f"postgresql://shop:{MARK}%zz@127.0.0.1:9/shop",
        f"postgresql://shop:a/{MARK}@127.0.0.1:9/shop",
        f"postgresql://shop:{MARK}#@127.0.0.1/shop",
        f"postgresql://shop:{MARK}@127.0.0.1:port/shop",
        f"postgresql://shop:a@{MARK}@127.0.0.1:9/shop",
        f"postgresql://shop:{MARK}/a@127.0.0.1:9/shop",
        f"postgresql://shop:a?b@{MARK}@127.0.0.1:9/shop?a=b",
        f"host=127.0.0.1 port=9 password=a {MARK}=b",
        f"mysql://shop:{MARK}@127.0.0.1/shop",
        f"host=127.0.0.1 port=9 password={MARK} nonsense",
    ],
    "ENGAGE_BROKER_URL": [
        f"redis://:a/{MARK}@127.0.0.1:9/0",
        f"redis://:{MARK}@127.0.0.1:port/0",
        f"nonsense://:{MARK}@127.0.0.1/",
        MARK,
    ],
    "SMTP_URL": [f"smtps://shop:a/{MARK}@mail.example", f"smtps://shop:{MARK}@mail.example:port", f"ftp://shop:{MARK}@a", MARK],
    "ENGAGE_WRITE_KEYS": [f"{MARK}:odd", f"{MARK}:", f":{MARK}"],
    "ENGAGE_DESTINATION_CRM": [f"https://{MARK}@crm.example:port/", f"ftp://{MARK}@crm.example", f"https://[{MARK}", MARK],
    "ENGAGE_ERASURE_PEPPER": [f"{MARK}\r\nx"],
}  # fmt: skip


def said(command: tuple[str, ...], secrets: Mapping[str, str], folder: Path, seconds: float = 60) -> str:
    """What a command says until it ends, or for some seconds."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ENGAGE_", "TWILIO", "SENDGRID"))
    }
    log = folder / "said"
    with log.open("wb") as file:
        running = subprocess.Popen(
            [sys.executable, "-m", "engage.cli", *command],
            cwd=folder,
            env={**mine, "PYTHONPATH": str(REPOSITORY), "ENGAGE_DATA_DIR": str(folder / "data"), **secrets},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
        with suppress(subprocess.TimeoutExpired):
            running.wait(seconds)
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
    return log.read_text(errors="replace")


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        (("status",), 90),
        (("migrate",), 90),
        (("backup", "a.backup"), 90),
        (("api",), 15),
        (("worker", "--queues", "engine"), 15),
        (("beat",), 15),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_finds_nobody_at_the_other_side_tells_no_secret(
    command: tuple[str, ...], seconds: float, tmp_path: Path
) -> None:
    assert MARK not in said(command, AWAY, tmp_path, seconds)


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_named_and_not_shown(
    name: str, tmp_path: Path, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for known in [known for known in os.environ if known.startswith(("ENGAGE_", "TWILIO", "SENDGRID"))]:
        monkeypatch.delenv(known)
    monkeypatch.setenv("ENGAGE_DATABASE_URL", migrated_url)

    for value in WRONG[name]:
        monkeypatch.setenv(name, value)
        ended = CliRunner().invoke(engage, ["doctor", "--json"])
        told = ended.output + "".join(format_exception(ended.exception) if ended.exception else [])
        assert told
        assert MARK not in told, value


@pytest.mark.parametrize("end", ["\n", "\r\n", "  ", "\t"])
def test_a_line_break_at_the_end_of_a_secret_is_none_of_it(end: str) -> None:
    assert load_settings({"SENDGRID_API_KEY": f"SG.{MARK}{end}"}, None).sendgrid_api_key == f"SG.{MARK}"


@pytest.mark.parametrize("inside", ["\n", "\r", "\0", "\x1b"])
def test_a_secret_of_two_lines_is_refused_before_a_library_quotes_it(inside: str) -> None:
    with pytest.raises(SettingsError, match="SENDGRID_API_KEY") as refused:
        load_settings({"SENDGRID_API_KEY": f"SG.{inside}{MARK}"}, None)

    assert MARK not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///shop",
        "postgresql://localhost",
        "postgres://shop@localhost:5432/shop",
        "postgresql://shop:a%40b%2Fc?d:e@a.example:5432,b.example/shop?target_session_attrs=read-write",
        "postgresql://shop:pw@/shop?host=/run/postgresql&user=a@b",
        "postgresql://localhost/shop?user=a@b&password=c/d",
        "postgresql://shop:pw@[::1]:5432/shop",
        "host=localhost user=a@b password='c d@e' sslmode=disable target_session_attrs=any",
    ],
)
def test_what_libpq_understands_is_an_address(url: str) -> None:
    assert load_settings({"ENGAGE_DATABASE_URL": url}, None).database_url == url
