"""Workers and leaders that stall at any request they make, for any time, and then go on or die.

Each worker that is to stall runs in a thread of its own, and waits there; of all threads exactly
one runs at any time, so that a run is repeated by its seed. Requests that were under way when their
sender stalled are carried out when it goes on: no deadline of a client keeps them from landing.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import redis.exceptions

from clients import errors
from clients.clock import Clock
from tests.fakes.faults import Call, Faults


class Killed(BaseException):
    """This process is no more: raised at every request that it would still make."""


@dataclass(frozen=True)
class Plan:
    """To stall at the `at`-th request that contains `words`, for `span`; to die there if `dies`.

    What a process has sent before it died is carried out all the same if it `lands`.
    """

    at: int
    words: str
    span: timedelta
    dies: bool = False
    lands: bool = False


@dataclass(eq=False)
class Actor:
    """One run of one job by one process: a message, or a step of the leader."""

    kind: str
    started: datetime
    plan: Plan | None = None
    requests: int = 0
    parked_at: datetime | None = None
    request: str = ""
    is_dead: bool = False
    is_over: bool = False
    failure: BaseException | None = None
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def until(self) -> datetime:
        """When it goes on."""
        assert self.plan is not None
        assert self.parked_at is not None
        return self.parked_at + self.plan.span


@dataclass(frozen=True)
class Landing:
    """A write that was under way for as long as its sender stalled, and was carried out then."""

    request: str
    kind: str
    sent: datetime
    landed: datetime
    began: datetime


class Workers:
    """Performs jobs; knows who has stalled, and lets them go on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._here = threading.local()
        self._back = threading.Semaphore(0)
        self.parked: list[Actor] = []
        self.dead: list[Actor] = []
        self.landings: list[Landing] = []
        self.redis_away_until = clock.now()

    @property
    def current(self) -> Actor | None:
        """Who makes the present request; None for the hand of a test."""
        actor: Actor | None = getattr(self._here, "actor", None)
        return actor

    def perform(self, kind: str, job: Callable[[], None], plan: Plan | None) -> Actor:
        """Has `job` done, until it is over or stalls; that it fails is nobody's business."""
        actor = Actor(kind, self._clock.now(), plan)
        if plan is None:
            self._do(actor, job)
        else:
            threading.Thread(target=self._do_apart, args=(actor, job), daemon=True).start()
            self._back.acquire()
            self._settle(actor)
        return actor

    def resume(self, actor: Actor) -> None:
        """Lets it go on until it is over: what it waits for has come, or it dies."""
        assert actor.plan is not None
        self.parked.remove(actor)
        if actor.plan.dies or actor.is_dead:
            actor.is_dead = True
            self.dead.append(actor)
        actor.go.release()
        self._back.acquire()
        self._settle(actor)

    def kill(self, actor: Actor) -> None:
        """The process of a stalled job ends."""
        actor.is_dead = True
        self.resume(actor)

    def close(self) -> None:
        """Ends whoever still waits."""
        for actor in list(self.parked):
            self.kill(actor)

    # --- inside a job

    def request(self, name: str, *, is_redis: bool = False) -> None:
        """Somebody sends a request, or has its answer on the way; they may stall here."""
        actor = self.current
        if actor is None:
            return
        if actor.is_dead:
            raise Killed
        actor.requests += actor.plan is not None and actor.plan.words in name
        if actor.plan and actor.requests == actor.plan.at and actor.parked_at is None:
            self._park(actor, name)
        if is_redis and self._clock.now() < self.redis_away_until:
            raise redis.exceptions.ConnectionError("away")

    def carried_out(self, name: str) -> None:
        """The API server has carried out a write; notes those whose sender had stalled."""
        actor = self.current
        if actor and actor.parked_at and actor.request == f"send {name}":
            now = self._clock.now()
            landing = Landing(name, actor.kind, actor.parked_at, now, actor.started)
            self.landings.append(landing)
            actor.request = ""

    def _park(self, actor: Actor, name: str) -> None:
        actor.parked_at, actor.request = self._clock.now(), name
        self.parked.append(actor)
        self._back.release()
        actor.go.acquire()
        assert actor.plan is not None
        if actor.is_dead and not actor.plan.lands:
            raise Killed

    def _do(self, actor: Actor, job: Callable[[], None]) -> None:
        self._here.actor = actor
        try:
            job()
        except (errors.ClientError, Killed):
            return
        finally:
            self._here.actor = None
            actor.is_over = True

    def _do_apart(self, actor: Actor, job: Callable[[], None]) -> None:
        try:
            self._do(actor, job)
        except BaseException as failure:  # noqa: BLE001 - raised again where it is noticed
            actor.failure = failure
        finally:
            self._back.release()

    @staticmethod
    def _settle(actor: Actor) -> None:
        if actor.failure is not None:
            raise actor.failure


class Stallings(Faults):
    """The faults of a door whose callers may stall, before a request or before its answer."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    def strike(self, call: Call, *, after: bool) -> None:
        """As `Faults.strike`, and stalls those who are to."""
        if after:
            self._workers.carried_out(_named(call))
        self._workers.request(f"{'hear' if after else 'send'} {_named(call)}")
        super().strike(call, after=after)


def _named(call: Call) -> str:
    return " ".join(part for part in (call.verb, call.resource, call.subresource) if part)
