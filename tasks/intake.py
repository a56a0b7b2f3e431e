"""Whether a worker takes messages: not while it could not do what they ask for.

A message is acknowledged when it is taken. A worker that is cut off from Redis or the API server,
or that they do not know any more, would take its share of all messages and lose it, while others
could do the work.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from clients import errors
from clients.kube.protocol import Kube
from clients.kube.resources import CANARIES
from clients.redis.store import Store

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
"""Between two looks at what is away."""


class Intake:
    """Open until a failure is confirmed by `probe`, which raises; open again once it does not."""

    def __init__(self, probe: Callable[[], object], retry: float = RETRY_SECONDS) -> None:
        self._probe = probe
        self._retry = retry
        self._lock = threading.Lock()
        self._looking = False
        self.is_open = True

    def doubt(self) -> None:
        """Looks, on a thread of its own, whether what has failed once fails again."""
        with self._lock:
            if self._looking:
                return
            self._looking = True
        threading.Thread(target=self._look, name="intake", daemon=True).start()

    def _look(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self._probe()
                break
            except errors.ClientError as failure:
                if self.is_open:
                    log.warning("taking no messages", extra={"error": failure.message})
                self.is_open = False
                pause.wait(self._retry)
        if not self.is_open:
            log.info("taking messages again")
        with self._lock:
            self.is_open, self._looking = True, False


def probe(store: Store, kube: Kube | None, namespace: str | None) -> None:
    """Raises ClientError unless Redis answers, and the API server knows us, if `kube` is given."""
    store.ping()
    if kube is None:
        return
    try:
        ask_for_canaries(kube, namespace)
    except errors.Permanent as refusal:
        if refusal.status != errors.FORBIDDEN:  # which is told of where the right is needed
            raise


def ask_for_canaries(kube: Kube, namespace: str | None) -> None:
    """Raises ClientError unless the API server answers and knows Canary objects; one request."""
    with suppress(errors.NotFound):
        kube.get(CANARIES, namespace or "default", "coalmine-start")
