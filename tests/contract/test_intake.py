"""A worker that cannot work takes no messages (8): real Celery on a real Valkey.

The state's server, or the API server, is away for one worker alone: its share of the messages waits
for it, or goes to others. Left out: what a failing task leaves behind (`tests/unit/tasks`).
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import fakeredis
import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

from analysis.effects import Lane
from clients import errors
from clients.clock import ManualClock
from clients.instruments import SILENT, Instruments
from clients.kube.protocol import NoKube
from clients.redis.store import Store
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue
from tasks import intake, publishing, serving, wiring
from tasks.intake import Intake
from tasks.serving import Line
from tests.contract.test_celery import connected
from tests.fakes.kube import FakeKube
from tests.patience import until
from tests.services.valkey import Valkey
from tests.stage.stage import START


@dataclass
class Outside:
    """What the services of a worker need; `failure` while it is away."""

    failure: errors.ClientError | None = None
    lost: int = 0
    done: list[CanaryRef] = field(default_factory=list)
    instruments: Instruments = SILENT
    lane: Lane = Lane.ROUTE

    @property
    def route(self) -> "Outside":
        """The reconciler of routes."""
        return self

    def reconcile(self, ref: CanaryRef, *, if_due: bool) -> None:  # noqa: ARG002 # always is
        """Does its work, if it can, and whether or not it is due."""
        if self.failure:
            self.lost += 1
            raise self.failure
        self.done.append(ref)

    def probe(self) -> None:
        """Raises what a look at the outside would."""
        if self.failure:
            raise self.failure


@pytest.fixture
def app(valkey: Valkey) -> Iterator[Celery]:
    """The application over an empty server."""
    app = connected(valkey.url)
    yield app
    app.close()


@contextlib.contextmanager
def working(app: Celery, outside: Outside) -> Iterator[Intake]:
    """A routing worker with an intake, like that of `coalmine worker`."""
    own = Intake(outside.probe, retry=0.05)
    wiring.install(outside, own.doubt)  # type: ignore[arg-type]  # has the method that is called
    with start_worker(
        app,
        **serving.serve(app, [Line(Queue.ROUTING, 2, own)]),
        perform_ping_check=False,
        loglevel="warning",
        shutdown_timeout=10.0,
    ):
        yield own


def refs(count: int) -> list[CanaryRef]:
    """So many canaries."""
    return [CanaryRef("shop", f"c{number}") for number in range(count)]


@pytest.mark.parametrize(
    "failure",
    [
        errors.Transient("Redis is away"),
        errors.Permanent("the token is not known", status=401),
    ],
)
def test_a_worker_that_cannot_work_leaves_messages_to_those_who_can(
    app: Celery, valkey: Valkey, failure: errors.ClientError
) -> None:
    """It notices by the first that fails, and goes on by itself when it can again."""
    outside = Outside(failure)
    publisher = publishing.CeleryDispatcher(app)
    with working(app, outside) as own:
        publisher.reconcile([CanaryRef("shop", "first")], Lane.ROUTE, Rank.REVISION)
        until(lambda: not own.is_open)
        time.sleep(2.5)  # what was asked of the server before that is answered, within a second
        lost = outside.lost
        for ref in refs(50):
            publisher.reconcile([ref], Lane.ROUTE, Rank.REVISION)
        time.sleep(1.5)
        assert (outside.lost, outside.done) == (lost, [])
        with contextlib.closing(valkey.client()) as client:
            assert sum(map(client.llen, client.scan_iter("cq:routing*"))) == 50

        outside.failure = None
        until(lambda: len(outside.done) == 50)
        assert set(outside.done) == set(refs(50))


def test_a_failure_of_one_job_stops_nobody() -> None:
    """The look that follows finds nothing wrong; one look at a time is enough."""
    looks: list[str] = []
    own = Intake(lambda: looks.append(threading.current_thread().name))
    own.doubt()
    until(lambda: looks == ["intake"])
    assert own.is_open


def test_what_a_role_needs_is_looked_at() -> None:
    """Redis for all; for those who write there the API server, and that it knows us."""
    server = fakeredis.FakeServer()
    store = Store(fakeredis.FakeRedis(server=server, decode_responses=True))
    intake.probe(store, None, None)
    intake.probe(store, FakeKube(ManualClock(START)), None)
    with pytest.raises(errors.Permanent, match="does not talk to Kubernetes"):
        intake.probe(store, NoKube(), None)
    server.connected = False
    with pytest.raises(errors.Transient):
        intake.probe(store, None, None)
