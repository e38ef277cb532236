"""The naive twin as processes, beside the same servers and the same sink."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import psycopg

from engage.bench.children import running_sink
from engage.bench.sink import SinkSettings
from engage.bench.stack import READY_SECONDS, Ground, Stack, answers, free_port, until
from engage.cli.supervise import sandbox_key
from engage.embedded import Postgres
from engage.embedded.process import with_parent
from engage.embedded.service import Endpoint

STOP_SECONDS = 10


@contextmanager
def running_naive(ground: Ground) -> Iterator[Stack]:
    """Run the naive twin's web process and two workers for the length of a block."""
    listen = f"127.0.0.1:{free_port()}"
    url = f"http://{listen}"
    with psycopg.connect(ground.postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE naive")
    database = ground.postgres.url.replace("@/engage?", "@/naive?")
    secrets = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "naive",
        "TWILIO_FROM": "+15005550006",
        "SENDGRID_API_KEY": "SG.naive",
    }
    sink = SinkSettings(
        account_sid=secrets["TWILIO_ACCOUNT_SID"],
        auth_token=secrets["TWILIO_AUTH_TOKEN"],
        signing_key=sandbox_key(ground.folder / "data")[0],
        public_url=url,
    )
    with ExitStack() as stack:
        running = stack.enter_context(running_sink(sink))
        environment = (
            os.environ
            | secrets
            | {
                "NAIVE_DATABASE_URL": database.replace("postgresql://", "postgresql+psycopg://", 1),
                "NAIVE_BROKER_URL": ground.valkey.url.replace("virtual_host=0", "virtual_host=1"),
                "NAIVE_SINK": running.url,
                "NAIVE_PUBLIC_URL": url,
                "NAIVE_LISTEN": listen,
            }
        )
        roots = {"web": _start(stack, environment, "-m", "engage.bench.naive.web")}
        until(lambda: answers(f"{url}/readyz"), READY_SECONDS, "the naive twin does not answer")
        roots["workers"] = _start(
            stack,
            environment,
            *("-m", "celery", "-A", "engage.bench.naive.tasks", "worker", "-c", "2", "--loglevel", "ERROR"),
        )
        socket = ground.postgres.socket
        twin = Postgres(Endpoint(url=database, socket=socket, pid=ground.postgres.pid), None)
        yield Stack(
            ground=replace(ground, postgres=twin),
            url=url,
            write_key="naive",
            api_token="",
            sink=running,
            roots=roots | ground.services,
            environment=environment,
        )


def _start(stack: ExitStack, environment: Mapping[str, str], *arguments: str) -> int:
    process = subprocess.Popen(
        with_parent([sys.executable, *arguments]),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def stop() -> None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(stop)
    return process.pid
