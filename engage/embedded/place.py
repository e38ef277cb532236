"""Where the servers' folders, sockets and programs stand so that their account can reach them."""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engage.embedded.account import Account, account_for
from engage.embedded.errors import EmbeddedError

POINTER = "embedded"  # a link in the data folder to where root had to put things
PROGRAMS = "programs"
SERVICE_STATE = (Path("/var/lib/engage"), Path("/var/tmp/engage"))  # noqa: S108 - owner and mode are checked
SOCKET_BYTES = 100  # sun_path holds 107 on Linux and 103 on macOS; PostgreSQL's lock file beside the socket is longer still
PLAIN_PATH = re.compile(
    r"[A-Za-z0-9_./-]+"
)  # needs no quoting in a libpq URL, a broker URL or a server's own settings
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The folders of one service: `home` holds `<name>/data`, `<name>.lock`, `<name>.log`; sockets are in `run`."""

    name: str
    home: Path
    run: Path
    account: Account

    @property
    def data(self) -> Path:
        """The server's own data folder."""
        return self.folder / "data"

    @property
    def folder(self) -> Path:
        """What belongs to the server's account."""
        return self.home / self.name

    @property
    def lock(self) -> Path:
        """The file whose lock says who started the service."""
        return self.home / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        """The server's output."""
        return self.home / f"{self.name}.log"

    @property
    def notice(self) -> Path:
        """The file that tells a second process how to attach."""
        return self.home / f"{self.name}.json"

    def tidy(self) -> None:
        """Remove the socket folder if a clean stop has left it empty; it is made again at the next start."""
        with contextlib.suppress(OSError):
            self.run.rmdir()


def place_for(data_dir: Path, name: str) -> Place:
    """Return (and make) the folders of service `name` below `data_dir`, or elsewhere if its account cannot get there.

    Root's own folders are often closed to others; then everything stands below `/var/lib/engage` (else `/var/tmp/engage`)
    in a folder named by a hash of `data_dir`, and `data_dir/embedded` is a link to it.

    Raises:
        EmbeddedError: no folder serves, or one belongs to somebody else.
    """
    data_dir = data_dir.absolute()
    _make(data_dir)
    pointer = data_dir / POINTER
    existing = next(
        (f for f in (pointer / name / "data", data_dir / name / "data") if f.is_dir()), pointer / name
    )
    account = account_for(existing)
    home = _home(data_dir, pointer, account)
    folder = home / name
    _own(folder, account)
    return Place(name=name, home=home, run=_run_folder(folder, account), account=account)


def clear_place(data_dir: Path) -> None:
    """Remove `data_dir` and what its services keep elsewhere, but for copies of programs. The services must not run."""
    pointer = data_dir / POINTER
    if pointer.is_symlink() and pointer.is_dir():
        for part in pointer.readlink().iterdir():
            if part.is_dir() and part.name != PROGRAMS:
                shutil.rmtree(part)
            elif part.is_file():
                part.unlink()
    shutil.rmtree(data_dir, ignore_errors=True)


def reachable_copy(program: Path, parts: Iterable[Path], root: Path, place: Place) -> Path:
    """Return `program` if the account can run it, else its twin in a copy of `parts` (folders or files below `root`).

    The copy is made once per version of the program, whole or not at all.
    """
    if place.account.can_run(program) and all(_is_open(part, place.account) for part in parts):
        return program
    status = program.stat()
    stamp = _digest(f"{program}|{status.st_size}|{status.st_mtime_ns}")
    copy = place.home / PROGRAMS / f"{place.name}-{stamp}"
    if not copy.exists():
        scratch = copy.with_name(f"{copy.name}.{os.getpid()}")
        for part in (program, *parts):
            _copy_open(part, scratch / part.relative_to(root))
        _open_to_all(scratch.parent)
        try:
            scratch.rename(copy)
        except OSError:  # another process was first, which is as good
            shutil.rmtree(scratch)
    return copy / program.relative_to(root)


def _home(data_dir: Path, pointer: Path, account: Account) -> Path:
    if pointer.is_symlink():
        home = pointer.readlink()
        _make_state(home)
        return home
    if not account.is_other or account.can_enter(data_dir):
        return data_dir
    home = _state_root() / _digest(str(data_dir.resolve()))
    _make_state(home)
    pointer.symlink_to(home)
    return home


def _state_root() -> Path:
    for root in SERVICE_STATE:
        try:
            _make_state(root)
        except EmbeddedError:
            continue
        return root
    raise EmbeddedError(
        f"root can write to none of {', '.join(map(str, SERVICE_STATE))}: set ENGAGE_DATABASE_URL"
    )


def _make_state(folder: Path) -> None:
    _make(folder)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise EmbeddedError(
            f"{folder} is not a folder that only this account can write: remove it and start again"
        )


def _make(folder: Path) -> None:
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in missing:
            part.chmod(0o755)  # whatever the umask: the server's account has to walk through
    except OSError as exc:
        raise EmbeddedError(f"cannot make {folder}: {exc.strerror}; choose another ENGAGE_DATA_DIR") from exc


def _own(folder: Path, account: Account) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if account.is_other and status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode):
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
        status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or status.st_mode & 0o077:
        raise EmbeddedError(
            f"{folder} is not a private folder of uid {account.uid}: remove it and start again"
        )


def _run_folder(folder: Path, account: Account) -> Path:
    short = f"engage-{account.uid}-{_digest(str(folder.resolve()))[:12]}"
    roots = (Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - a private folder, owner and mode are checked
    for run in (folder / "run", *(root / short for root in roots)):
        fits = len(os.fsencode(run / LONGEST_SOCKET_NAME)) <= SOCKET_BYTES and PLAIN_PATH.fullmatch(str(run))
        if fits and account.can_enter(run.parent):
            _own(run, account)
            return run
    raise EmbeddedError(
        f"no folder with a short plain path for sockets: set TMPDIR to one that uid {account.uid} can enter"
    )


def _is_open(part: Path, account: Account) -> bool:
    return account.can_enter(part) if part.is_dir() else account.can_enter(part.parent)


def _copy_open(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for part in folder.rglob("*"):
        if not part.is_symlink():
            runs = part.is_dir() or part.stat().st_mode & stat.S_IXUSR
            part.chmod(0o755 if runs else 0o644)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
