"""What keys the rest of erased people is the same in every process, for good."""

from pathlib import Path

import pytest

from engage.cli.supervise import environment_for
from engage.settings import Settings, generated_secrets, load_settings, pepper_of


def test_a_secret_of_its_own_outlives_every_rotation() -> None:
    before = Settings(erasure_pepper="p", secret_key=("one",))
    after = Settings(erasure_pepper="p", secret_key=("two",))

    assert pepper_of(before) == pepper_of(after) != pepper_of(Settings(erasure_pepper="q"))


def test_without_one_new_keys_may_be_added_before_the_old() -> None:
    assert pepper_of(Settings(secret_key=("old",))) == pepper_of(Settings(secret_key=("new", "old")))
    assert pepper_of(Settings(secret_key=("old",))) != pepper_of(Settings(secret_key=("new",)))


@pytest.mark.parametrize("own", [{}, {"ENGAGE_SECRET_KEY": "theirs"}, {"ENGAGE_ERASURE_PEPPER": "theirs"}])
def test_a_command_keys_as_the_processes_of_its_machine_do(
    tmp_path: Path, own: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENGAGE_SECRET_KEY", "ENGAGE_ERASURE_PEPPER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    command = load_settings({**own, "ENGAGE_DATA_DIR": str(tmp_path)}, None)
    processes = load_settings(environment_for(command, "", ""), None)

    assert pepper_of(processes) == pepper_of(command)


def test_an_installation_that_began_without_one_is_given_none(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("ENGAGE_SECRET_KEY=first\n")
    before = pepper_of(Settings(data_dir=tmp_path))

    secrets = generated_secrets(tmp_path)

    assert "ENGAGE_ERASURE_PEPPER" not in secrets
    assert pepper_of(Settings(data_dir=tmp_path)) == before == pepper_of(Settings(secret_key=("first",)))
