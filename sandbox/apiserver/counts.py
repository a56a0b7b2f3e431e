"""How often each kind of request was made, for tests and benchmarks."""

import threading
from collections import Counter
from typing import NamedTuple


class RequestKind(NamedTuple):
    """What requests are counted by; `resource` is `plural.group`, `subresource` "" for none."""

    verb: str
    resource: str
    subresource: str
    user_agent: str


class Counts:
    """A thread-safe counter of requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[RequestKind] = Counter()

    def record(self, kind: RequestKind) -> None:
        """Counts one request."""
        with self._lock:
            self._counts[kind] += 1

    def snapshot(self) -> Counter[RequestKind]:
        """The counts so far."""
        with self._lock:
            return Counter(self._counts)
