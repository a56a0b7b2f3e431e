"""Metrics and webhooks in a test's hands."""

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from analysis.backends.backend import Endpoint
from analysis.findings import Absent, CheckResult, HookResult, Measurement, Sample
from analysis.hooks import HookCall
from analysis.judges import threshold
from analysis.metrics.checks import Check
from analysis.verdicts import Reason, Verdict
from clients.fair_threads import FairThreads
from clients.redis.records import Call
from config.refs import CanaryRef
from tasks.caller import Leases
from tests import patience

Source = Callable[[Check], Measurement]


def healthy(check: Check) -> Measurement:
    """Good numbers for whatever is asked: 99.9 % success, 12 ms."""
    return Sample(12.0 if "duration" in check.metric else 99.9)


def failing(check: Check) -> Measurement:
    """Bad numbers for whatever is asked: half of the requests fail, after 9 s."""
    return Sample(9000.0 if "duration" in check.metric else 50.0)


def silent(check: Check) -> Measurement:
    """No values at all."""
    return Absent(Verdict.NO_DATA, Reason.NO_VALUES, f"no values found for {check.metric}")


@dataclass
class Meters:
    """A metric reader that judges for real what `source` says is measured."""

    source: Source = healthy
    asked: list[tuple[Check, ...]] = field(default_factory=list)
    probes: tuple[str, ...] = ()

    def measure_each(
        self, asked: Mapping[CanaryRef, Sequence[Check]]
    ) -> Iterator[dict[CanaryRef, tuple[CheckResult, ...]]]:
        """The results of each canary's checks, all at once."""
        self.asked += map(tuple, asked.values())
        yield {
            ref: tuple(threshold.judge(each, each.problem or self.source(each)) for each in checks)
            for ref, checks in asked.items()
        }

    def probe(self, endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
        """What is wrong with `endpoints`."""
        return self.probes if endpoints else ()


REFUSED: Final = "POST http://gates/ giving up after 1 attempt(s): connecting failed"


@dataclass
class Hooks:
    """Webhooks that refuse where `refusing` names them, and those `away` are not reached.

    Those of a `mute` endpoint take long.
    """

    mute: bool = False
    refusing: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    called: list[str] = field(default_factory=list)

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer of a hook."""
        assert is_wanted()
        self.called.append(call.name)
        if call.name in self.away:
            return HookResult(call.name, call.type, ok=False, message=REFUSED, answered=False)
        bad = call.name in self.refusing
        return HookResult(call.name, call.type, ok=not bad, message="refused" if bad else "")


class InlineThreads(FairThreads):
    """Has calls made at once, by whoever hands them in."""

    def __init__(self) -> None:
        super().__init__("inline", 1)

    def submit(self, owner: CanaryRef, call: Callable[[], object]) -> None:  # noqa: ARG002
        """Makes the call."""
        call()


class Silent(Leases):
    """Gives no sign of life by itself: the time of a stage does not pass by itself either."""

    def hold(self, calls: Collection[Call]) -> None:
        """Nothing."""


@dataclass
class Receiver:
    """A web server that webhooks are posted to."""

    url: str
    calls: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200


@contextlib.contextmanager
def receiver(together: int = 1) -> Iterator[Receiver]:
    """A receiver on a free port that answers `status` to everything.

    It answers when `together` calls are waiting for an answer, and 500 to those that wait alone.
    """
    meeting = threading.Barrier(together)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            known.calls.append(json.loads(self.rfile.read(length)))
            self.send_response(known.status if met() else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    def met() -> bool:
        try:
            meeting.wait(patience.SECONDS)
        except threading.BrokenBarrierError:
            return False
        return True

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known = Receiver(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield known
        server.shutdown()
        thread.join()
