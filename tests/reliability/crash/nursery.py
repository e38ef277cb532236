"""Nursery: a process that has imported everything once and bears lives, so that each costs a moment and not seconds.

Reads one JSON line per life and writes one: `{"signal": 9, "code": 0}`.
"""

import logging
import os
import sys
import traceback
from datetime import timedelta

import msgspec
import structlog

from engage.channels import twilio_sms
from tests.reliability.crash.life import Life, Place


class Birth(msgspec.Struct):
    """One life to live."""

    place: Place
    fatal: int
    number: int


def live(birth: Birth) -> None:
    code = 1
    try:
        Life(birth.place, birth.fatal, birth.number).live()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    # The sandbox lives by the machine's clock, this engine by one that runs ahead of it. In this process alone.
    twilio_sms.CLOCK_SKEW = timedelta(hours=4)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for line in sys.stdin:
        birth = msgspec.json.decode(line, type=Birth)
        child = os.fork()
        if child == 0:
            live(birth)
        _, status = os.waitpid(child, 0)
        died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
        print(msgspec.json.encode({"signal": died, "code": code}).decode(), flush=True)


if __name__ == "__main__":
    main()
