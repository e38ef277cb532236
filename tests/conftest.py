"""Services every test may ask for: a PostgreSQL, a Valkey, a browser; started once per test process, stopped at its end."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from engage.cli.main import keep_bytecode
from engage.embedded import start_postgres, start_valkey

keep_bytecode()  # else every process that a test starts would compile everything anew

# A sandbox inside this process keeps a connection to every receiver it called, of tests long over: more than the usual 1,024.
_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
_files = 10_000 if _most == resource.RLIM_INFINITY else min(_most, 10_000)
resource.setrlimit(resource.RLIMIT_NOFILE, (_files, _most))

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_BROWSERS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)

# Claims that others share; here, because whoever imports them first would find them as they are.
pytest.register_assert_rewrite("tests.storage.contract")

# Fixtures that say what a test needs, so that nobody has to say it twice; the cheap tests come first.
NEEDS = {"postgres_url": "live", "valkey_url": "live", "services_dir": "live", "chromium": "browser"}
ORDER = ("live", "browser", "slow")

# Where a change is judged, the same examples are tried every time; new ones are found at home and every night.
settings.register_profile("default", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.register_profile("nightly", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the services they ask for and run them in order of cost."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in NEEDS:
                item.add_marker(NEEDS[fixture])
    items.sort(
        key=lambda item: max(
            (ORDER.index(m.name) + 1 for m in item.iter_markers() if m.name in ORDER), default=0
        )
    )


@pytest.fixture(scope="session")
def services_dir() -> Iterator[Path]:
    """A folder for the session's servers that their account can enter, which pytest's own (mode 0700) is not for root's."""
    folder = Path(tempfile.mkdtemp(prefix="engage-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_url(services_dir: Path) -> Iterator[str]:
    """A libpq URL of an empty database, this test process's own server; not durable. Its role may create more databases."""
    server = start_postgres(services_dir, fast=True)
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def valkey_url(services_dir: Path) -> Iterator[str]:
    """A broker URL as Celery takes it (`redis+socket://`), this test process's own server; nothing is kept."""
    server = start_valkey(services_dir, fast=True)
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program; without one the test is skipped, or fails where `CI=true` promises one."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    program = Path(found) if found else next((path for path in MAC_BROWSERS if path.exists()), None)
    if program is not None:
        return program
    reason = f"no browser: none of {', '.join(BROWSERS)} on the PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
