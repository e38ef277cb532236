"""`python -m engage.sandbox --listen 127.0.0.1:8010`: the twins as a process of their own."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

import msgspec

from engage.sandbox.config import ConfigError, make_config
from engage.sandbox.server import serve


def parse_arguments(arguments: list[str]) -> dict[str, Any]:
    """Return the settings that a command line names; `--config` values yield to options."""
    parser = argparse.ArgumentParser(
        prog="engage sandbox", description="Twins of Twilio's and SendGrid's APIs on one port."
    )
    option = parser.add_argument
    option("--listen", default="127.0.0.1:8010", metavar="HOST:PORT")
    option("--config", type=Path, metavar="FILE", help="JSON file with any settings of SandboxConfig")
    option("--account-sid")
    option("--auth-token")
    option("--api-key", action="append", default=[], metavar="SID:SECRET", dest="api_keys")
    option("--sendgrid-api-key")
    option("--signing-key", type=Path, metavar="FILE", help="PEM of the P-256 key that signs event batches")
    option("--event-webhook-url")
    option("--inbound-sms-url")
    option("--inbound-email-url")
    option("--number", action="append", default=[], dest="numbers", help="a sender of ours (repeatable)")
    option("--seed", type=int)
    option("--speed", type=float)
    option("--no-latencies", action="store_false", dest="latencies", default=None)
    option("--open-share", type=float)
    option("--click-share", type=float)
    option("--keep", type=int)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value}
    if "--no-latencies" in arguments:
        given["latencies"] = False
    settings: dict[str, Any] = {}
    file = given.pop("config", None)
    if file is not None:
        settings = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    host, _, port = given.pop("listen").rpartition(":")
    if not port.isdigit():
        parser.error("--listen takes HOST:PORT")
    settings |= {"host": host.strip("[]") or "127.0.0.1", "port": int(port)}
    if "signing_key" in given:
        settings["signing_key"] = given.pop("signing_key").read_text()
    if "api_keys" in given:
        settings["api_keys"] = dict(pair.split(":", 1) for pair in given.pop("api_keys"))
    return settings | given


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox until a signal; return the exit code."""
    try:
        config = make_config(parse_arguments(sys.argv[1:] if arguments is None else arguments))
    except (ConfigError, OSError, ValueError) as exc:
        sys.stderr.write(f"sandbox: {exc}\n")
        return 2
    logging.basicConfig(level=logging.WARNING)
    try:
        serve(config, _say_where)
    except OSError as exc:
        sys.stderr.write(f"sandbox: cannot listen on {config.host}:{config.port}: {exc}\n")
        return 2
    return 0


def _say_where(url: str) -> None:
    sys.stdout.write(f"sandbox on {url}/\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
