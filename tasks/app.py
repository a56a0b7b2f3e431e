"""The Celery application: how messages travel. What they make happen is in `wiring`."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery
from celery.apps import worker

from config.roles import Queue
from config.settings.settings import Settings
from tasks import broker, queues, transport


def make_app(settings: Settings) -> Celery:
    """The application for `settings`; makes no connection before the first message."""
    transport.install()
    app = Celery("coalmine", set_as_current=True)
    app.conf.update(configuration(settings))
    return app


def log_what_celery_says() -> None:
    """Has Celery's words about shutting down logged; it writes them past the logs as plain text."""

    def say(message: str, *_: Any) -> None:
        logging.getLogger("celery.worker").info(message.strip())

    worker.safe_say = say  # type: ignore[attr-defined]  # celery-types leaves it out


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings.

    Messages leave Redis when they are taken: one that is lost with its worker is asked for again by
    the agenda, within seconds. Kombu's emulation of acknowledgements would give it back after
    minutes, for eight commands of Redis per message.
    """
    server = broker.of(settings.redis.queue_url())
    return {
        "broker_url": server.url,
        "broker_use_ssl": dict(server.tls) or False,
        "task_routes": {name: {"queue": str(each)} for name, each in queues.QUEUES.items()},
        "task_default_queue": Queue.ANALYSIS.value,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_acks_late": False,
        "broker_transport_options": {
            "ack_emulation": False,
            "global_keyprefix": "cq:",
            "health_check_interval": broker.HEALTH_SECONDS,
            "priority_steps": sorted(set(queues.PRIORITIES.values())),
            **broker.SOCKET,
            **server.options,
        },
        # Once more and at once, for connections closed while idle; then it is the caller's turn.
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0},
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # Of tasks that are acknowledged late, which none is; without it each loss is a warning.
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "imports": ["tasks.jobs"],
    }
