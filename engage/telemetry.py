"""Telemetry: one line per decision, in fields; ids yes — addresses, bodies and tokens never."""

import logging
import os
import sys
from typing import Any

import structlog

_QUIET = ("twilio.http_client", "urllib3", "kombu", "celery.worker.strategy", "celery.app.trace", "httpx")


class _OneLine(logging.Formatter):
    """Lines of libraries: a text of somebody else's cannot begin a line that looks like one of ours."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Write line breaks out."""
        record.message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's name
        """Indent the traceback."""
        return super().formatException(ei).replace("\r", "\\r").replace("\n", "\n    ")


def configure_logging(*, json: bool | None = None, level: str | None = None) -> None:
    """Send structured lines to standard error; JSON where that is no terminal.

    Libraries that would log addresses or bodies (Twilio's client logs request URLs) are held at WARNING.
    """
    wanted = (level or os.environ.get("ENGAGE_LOG_LEVEL", "INFO")).upper()
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, wanted, logging.INFO)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=wanted, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
