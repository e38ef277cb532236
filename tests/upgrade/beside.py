"""An older release's own code, out of git's history, at work on a database beside today's."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.upgrade.shop import Shop

MOVED = {
    "engage.cli.demo.story": "engage.cli.demo_story",
    "engage.domain.consent.consent": "engage.domain.consent",
    "engage.domain.delivery.delivery": "engage.domain.delivery",
    "engage.engine.accept.accept": "engage.engine.accept",
    "engage.engine.accept.consent": "engage.engine.accept_consent",
    "engage.engine.accept.intake": "engage.engine.accept_intake",
    "engage.engine.accept.requests": "engage.engine.accept_requests",
    "engage.engine.canonical.call": "engage.engine.canonical",
    "engage.engine.deliver.rendering": "engage.engine.rendering",
    "engage.engine.publish.publish": "engage.engine.publish",
}
"""Where the modules that `maker` and `shop` use were before rooms became folders."""
REPOSITORY = Path(__file__).resolve().parents[2]


def has_history(commit: str) -> bool:
    """Return whether git knows this commit here."""
    done = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=REPOSITORY, capture_output=True, check=False
    )
    return done.returncode == 0


class OldProcess:
    """The rooms of an older release in a process of their own, worked a round at a time."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process, self._log = process, log

    def round(self, now: datetime, letter: dict[str, Any] | None = None) -> bool:
        """Do what is due at `now`, after taking in a webhook; return whether there was anything."""
        self._tell({"now": now.isoformat(), "letter": letter})
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, self._log.read_text()
        return bool(json.loads(answer)["worked"])

    def _tell(self, said: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()


@contextmanager
def old_process(
    commit: str, folder: Path, environment: dict[str, str], now: datetime
) -> Iterator[OldProcess]:
    """Run the code of `commit` beside ours."""
    tree = folder / "tree"
    tree.mkdir()
    packed = subprocess.run(
        ["git", "archive", commit], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "x", "-C", tree], input=packed, check=True)
    shutil.copytree(REPOSITORY / "tests/upgrade", tree / "tests/upgrade", dirs_exist_ok=True)
    _call_by_old_names(tree)
    log = folder / "old.log"
    with (
        log.open("w") as said,
        subprocess.Popen(
            [sys.executable, "-m", "tests.upgrade.maker", "beside"],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        old = OldProcess(process, log)
        old._tell({"now": now.isoformat(), "environment": environment})
        try:
            yield old
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)


def _call_by_old_names(tree: Path) -> None:
    """Have this folder's files in an old tree import what they need from where it was then."""
    old = {
        name: before
        for name, before in MOVED.items()
        if not (tree / name.replace(".", "/")).with_suffix(".py").exists()
    }
    for file in (tree / "tests/upgrade").glob("*.py"):
        lines = file.read_text().splitlines(keepends=True)
        for index, line in enumerate(lines):
            word, _, rest = line.partition(" ")
            name, _, names = rest.partition(" ")
            if word == "from" and name in old:
                lines[index] = f"from {old[name]} {names}"
        file.write_text("".join(lines))


def work_together(shop: Shop, old: OldProcess, instant: datetime) -> None:
    """Let time pass until `instant`; at every instant old and new take turns, at work and at the door."""
    while True:
        _rest(shop, old)
        due = shop.world._next_due()
        if due is None or due > instant:
            return
        shop.clock.move_to(due)


def _rest(shop: Shop, old: OldProcess) -> None:
    while True:
        worked = old.round(shop.clock.now())
        worked |= shop.world._round()
        shop.quiet()
        for number, letter in enumerate(shop.post.take_all()):
            if number % 2:
                old.round(shop.clock.now(), letter)
            else:
                shop.hear(letter)
            worked = True
        if not worked:
            return
