"""`python -m tests.fuzz [TARGET…] [--seconds N]`: search every target for inputs that break it, with coverage as a guide.

What was interesting stays below `.engage/fuzz/TARGET` and is where the next search begins. An input that breaks something ends the target's
search; it is shown, and belongs into `tests/fuzz/found/TARGET/` together with the mended code.
"""

import argparse
import logging
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
KEPT = REPOSITORY / ".engage" / "fuzz"
LONGEST_BYTES = 20_000
HANG_SECONDS = 60


def search(name: str, seconds: int) -> None:
    """Search one target; never returns, as the fuzzer ends the process."""
    import atheris
    import structlog

    with atheris.instrument_imports(include=["engage", "yaml", "jinja2"]):
        from tests.fuzz.target import check
        from tests.fuzz.targets import TARGETS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    target = next(target for target in TARGETS if target.name == name)
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_BYTES}",
        f"-timeout={HANG_SECONDS}",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={KEPT}/{name}-",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: check(target, data))
    atheris.Fuzz()


def search_all(names: list[str], seconds: int) -> int:
    """Search the targets one after the other, each in a process of its own; return 1 if any broke."""
    KEPT.mkdir(parents=True, exist_ok=True)
    broken = []
    for name in names:
        log = KEPT / f"{name}.log"
        command = [sys.executable, "-m", "tests.fuzz", "--only", name, "--seconds", str(seconds)]
        with log.open("w") as said:
            done = subprocess.run(command, cwd=REPOSITORY, stdout=said, stderr=said, check=False)
        runs = [line.split()[-1] for line in log.read_text().splitlines() if "number_of_executed" in line]
        print(
            f"{name}: {runs[0] if runs else '?'} inputs, {'BROKEN, see ' + str(log) if done.returncode else 'sound'}",
            flush=True,
        )
        broken += [name] if done.returncode else []
    return 1 if broken else 0


def main() -> int:
    """Read the command line."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    names = [target.name for target in TARGETS]
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names))
    parser.add_argument("--seconds", type=int, default=300, help="for each target (default: 300)")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(names):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return search_all(given.targets or names, given.seconds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--only"]:
        search(sys.argv[2], int(sys.argv[4]))
    else:
        sys.exit(main())
