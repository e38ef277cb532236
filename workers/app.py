"""The Celery application: queues, what a lost worker costs (nothing), and how hints leave.

celery -A workers.app worker -Q engine,email,sms,voice,sync
celery -A workers.app worker -Q urgent
"""

import os

from celery import Celery
from celery.signals import worker_init
from kombu.entity import Queue

from engage.ports.storage import StorageAwayError
from engage.services import broker_url, schema_standing
from engage.settings import load_settings
from engage.telemetry import configure_logging
from workers.broker import keep_clients
from workers.hints import EXPIRES
from workers.steady import every

QUEUES = ("engine", "email", "sms", "voice", "sync", "urgent")
SWEEP_SECONDS = float(os.environ.get("ENGAGE_SWEEP_SECONDS", "1.0"))

UPKEEP_SECONDS = 3600.0
UPKEEP_EXPIRES = 600.0
"""RabbitMQ drops what has expired from the head of a queue only: what is good for an hour would keep an hour of hints behind it."""
LISTS_SECONDS = 60.0
RECONCILE_SECONDS = 60.0

configure_logging()
keep_clients()

app = Celery("engage", broker=broker_url(load_settings()), include=["workers.tasks"])
app.conf.update(
    task_queues=[Queue(name, routing_key=name) for name in QUEUES],
    task_default_queue="engine",
    task_ignore_result=True,
    # A task is only a hint: taken late, lost or run twice it does no harm, so it is acknowledged when done.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # Threads, because turns wait for PostgreSQL and providers; scale by processes. Settable for `celery` by hand.
    worker_pool=os.environ.get("ENGAGE_WORKER_POOL", "threads"),
    worker_concurrency=int(os.environ.get("ENGAGE_WORKER_THREADS", "4")),
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"visibility_timeout": 3600, "socket_timeout": 10, "socket_keepalive": True},
    task_serializer="json",
    accept_content=["json"],
    # In memory: a file that says when each was last sent would be one more thing that two beats stand in each other's way with.
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        "sweep": {
            "task": "workers.tasks.sweep",
            "schedule": every(SWEEP_SECONDS),
            # Long after the next one is due it is nobody's loss; but beat's clock and the worker's may differ by seconds.
            "options": {"queue": "engine", "expires": EXPIRES},
        },
        "lists": {
            "task": "workers.tasks.lists",
            "schedule": every(LISTS_SECONDS),
            "options": {"queue": "engine", "expires": LISTS_SECONDS},
        },
        "reconcile": {
            "task": "workers.tasks.reconcile",
            "schedule": every(RECONCILE_SECONDS),
            "options": {"queue": "engine", "expires": RECONCILE_SECONDS},
        },
        "upkeep": {
            "task": "workers.tasks.upkeep",
            "schedule": every(UPKEEP_SECONDS),
            "options": {"queue": "engine", "expires": UPKEEP_EXPIRES},
        },
    },
)


def require_schema(**_: object) -> None:
    """Let no worker start on a schema that this code cannot work with, by `celery -A` neither."""
    settings = load_settings()
    if settings.database_url is None:
        return
    try:
        standing = schema_standing(settings)
    except StorageAwayError:
        return  # it may come back; a task that finds it away does nothing
    if not standing.fits:
        raise SystemExit(f"Error: {standing.advice}")


worker_init.connect(require_schema)
