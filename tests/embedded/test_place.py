"""What services keep is removed where it stands, also where root had to put it elsewhere."""

from pathlib import Path

from engage.embedded import clear_place


def test_a_cleared_place_keeps_copied_programs_and_nothing_else(tmp_path: Path) -> None:
    data_dir, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (data_dir, elsewhere / "postgres" / "data", elsewhere / "programs" / "postgres-1"):
        folder.mkdir(parents=True)
    (elsewhere / "postgres.log").touch()
    (data_dir / "secrets.env").touch()
    (data_dir / "embedded").symlink_to(elsewhere)

    clear_place(data_dir)

    assert not data_dir.exists()
    assert [part.name for part in elsewhere.iterdir()] == ["programs"]
    assert (elsewhere / "programs" / "postgres-1").is_dir()


def test_clearing_what_is_not_there_does_nothing(tmp_path: Path) -> None:
    clear_place(tmp_path / "data")

    assert not (tmp_path / "data").exists()
