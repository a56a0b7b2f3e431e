"""What the reconcilers of all lanes have in common: one run at a time per canary and lane.

A run reads what is wanted, writes, and says what it has brought about; once more for whoever came
meanwhile. What it did is believed only while its lease is held and its intent is the newest: a run
that stalled finds that it is not, and at once brings about what is wanted by then.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import ClassVar, Final, assert_never

from analysis import effects
from analysis import state as states
from analysis.effects import Lane
from clients import errors, instruments
from clients.clock import Clock
from clients.documents.confirmed import Confirmation
from clients.documents.outcome import Applied, Objects, Outcome, Rejected, Superseded
from clients.documents.world import World
from clients.kube.protocol import Kube
from clients.redis import rollouts
from clients.redis.records import Basis, Begun, Snapshot, Work, part_of
from clients.redis.scripts import Invocation
from clients.redis.store import Store
from config import canonical
from config.refs import CanaryRef
from tasks import gather
from tasks.batch import Crew
from tasks.reconcile.run import Run, Strays
from tasks.steps import Nudge, Steps, ask, awaited

log = logging.getLogger(__name__)

RESERVE: Final = timedelta(seconds=1)
"""The end of a lease, in which nothing is asked of the API server any more: time to say what came
of it, and for clocks that do not run alike."""

WAITED: Final = timedelta(seconds=0.5)
"""How long a run may wait for its turn among others before it is asked whether it is still wanted:
a step that is written after a rollback was decided exposes users once more."""

STRAYS: Final = 3
"""Runs in a row whose work may turn out not to be wanted; then it is the agenda's turn to ask."""


@dataclass(frozen=True)
class Reconciler(ABC):
    """Brings about what one lane of a canary wants."""

    lane: ClassVar[Lane]
    crew: Crew
    kube: Kube
    clock: Clock

    @property
    def store(self) -> Store:
        """Where the intents are."""
        return self.crew.store

    def reconcile(self, *refs: CanaryRef, if_due: bool = False) -> dict[str, str]:
        """Brings about what the state of each of `refs` wants by now, and again while it changes.

        Gives back by canary how the last run ended.
        Does nothing while another process has the lease: that one will run again. What a failing
        run was asked for meanwhile is left to the agenda, which asks until it is confirmed.
        With `if_due`, what has been brought about is not looked at again.
        """
        return self.crew.carry_out({ref: self._reconcile(ref, if_due=if_due) for ref in refs})

    def _reconcile(self, ref: CanaryRef, *, if_due: bool) -> Steps[str]:
        work, left = Work(self.lane.value), STRAYS
        ended = "in force already, or another run has it"
        strays = Strays({}, World())
        again = True
        while again:
            asked = self.clock.monotonic()
            begun = yield from ask(
                rollouts.beginning(ref, work, effects.WRITE_LEASE, if_due=if_due)
            )
            if begun is None:
                return ended
            if_due = False  # whoever asks meanwhile may know of a drift
            told: list[str] = []
            astray: Objects = {}
            try:
                run = self._run(ref, begun, asked, strays, told)
                if run is not None:
                    ended, astray = yield from self._carry_out(run)
            except Exception:
                yield from ask(_finishing(ref, work, begun, told))
                raise
            strays = Strays(astray, begun.snapshot.world)
            again = yield from ask(_finishing(ref, work, begun, told))
            if astray:
                left -= 1
                again = again or left > 0
        return ended

    @abstractmethod
    def _write(self, run: Run) -> Outcome | None:
        """How bringing about the intent of `run` ended; None when there is nothing to do."""

    def _follower(self, run: Run, outcome: Outcome) -> Nudge | None:  # noqa: ARG002
        """Whom `run` is followed by, now that it is believed."""
        return None

    @abstractmethod
    def _calls_for_a_look(self, run: Run, outcome: Applied) -> bool:
        """Whether the rollout goes on now that its intent is in force."""

    def _run(
        self, ref: CanaryRef, begun: Begun, asked: float, strays: Strays, told: list[str]
    ) -> Run | None:
        """The run to be made; None without a state of this very object as new as its status."""
        snapshot = begun.snapshot
        admission, stored = snapshot.world.admission, snapshot.state
        if admission is None or stored is None or stored["uid"] != admission.uid:
            return None
        if gather.is_behind(snapshot):
            return None
        state = states.stored(stored, snapshot.leaps.total)
        seq = effects.intents(state, snapshot.version)[self.lane]
        confirmed = snapshot.confirmed.about(state.uid)
        return Run(
            ref=ref,
            token=begun.token,
            seq=seq,
            is_first=confirmed.sequence(self.lane) < seq,
            confirmed=confirmed,
            snapshot=snapshot,
            state=state,
            canary=gather.accepted(snapshot.world),
            strays=strays.still_newest(snapshot.world),
            untold=begun.untold,
            told=told,
            kube=self.kube.until(asked + (effects.WRITE_LEASE - RESERVE).total_seconds()),
            superseded=lambda: self._is_superseded(ref, snapshot),
            now=lambda: snapshot.now + timedelta(seconds=self.clock.monotonic() - asked),
        )

    def _is_superseded(self, ref: CanaryRef, before: Snapshot) -> bool:
        now = self.store.read(ref).state
        return now is None or _part(self.lane, before) not in canonical.text(now)

    def _carry_out(self, run: Run) -> Steps[tuple[str, Objects]]:
        """How the run ended, and the objects that it wrote or read if it is not believed.

        They are then in the way of what is wanted, and newer than what anybody else knows.
        """
        outcome = yield from awaited(partial(self._in_its_turn, run))
        if outcome is None:
            return "nothing to do", {}
        news, wake = self._judged(run, outcome)
        basis = Basis(uid=run.state.uid, part=_part(self.lane, run.snapshot), token=run.token)
        over = run.snapshot.world
        is_believed = yield from ask(
            rollouts.confirming(run.ref, news, basis, over=over, wake=wake)
        )
        if is_believed:
            if follower := self._follower(run, outcome):
                yield follower
            return _shown(outcome), {}
        self.crew.instruments.add(instruments.STALE, self.lane.value)
        log.info("not wanted any more", extra={"canary": run.ref.dotted, "lane": self.lane.value})
        return "not wanted any more", {**outcome.observed, **outcome.written}

    def _in_its_turn(self, run: Run) -> Outcome | None:
        if run.now() - run.snapshot.now > WAITED and run.superseded():
            return Superseded("a newer intent exists")
        began, name = self.clock.monotonic(), "defect"
        try:
            outcome = self._write(run)
            name = _named(outcome)
        except errors.ClientError as failure:
            name = failure.kind
            raise
        finally:
            took = self.clock.monotonic() - began
            self.crew.instruments.observe(instruments.RECONCILES, took, self.lane.value, name)
        return outcome

    def _judged(self, run: Run, outcome: Outcome) -> tuple[Confirmation, bool]:
        """What is to be said of the run, and whether the rollout is to look.

        It asks again by itself for what it knows already.
        """
        extra = {"canary": run.ref.dotted, "lane": self.lane.value}
        observed = {**run.strays, **outcome.observed}
        seen = Confirmation(lane=self.lane, written=outcome.written, observed=observed)
        in_force = replace(seen, seq=run.seq, at=run.now() if run.is_first else None)
        match outcome:
            case Applied():
                return in_force, self._calls_for_a_look(run, outcome)
            case Superseded(message=message):
                log.info("superseded", extra={**extra, "error": message})
                news = run.world.with_objects(outcome.observed) != run.world
                return replace(seen, trouble=None), news
            case Rejected(message=message, retriable=retriable):
                goes_on = outcome.in_force and run.is_first
                # Not for other words alone: some differ at every try.
                news = goes_on or self.lane not in run.confirmed.troubles
                told = {**extra, "error": message, "retriable": retriable}
                # One that is no news comes back every few seconds.
                log.log(logging.WARNING if news else logging.DEBUG, "not as intended", extra=told)
                said = in_force if goes_on else seen
                return replace(said, trouble=message, refused=not retriable), news
            case _:
                assert_never(outcome)


def _named(outcome: Outcome | None) -> str:
    """What an outcome is counted as."""
    return "idle" if outcome is None else type(outcome).__name__.lower()


def _finishing(ref: CanaryRef, work: Work, begun: Begun, told: Collection[str]) -> Invocation[bool]:
    uid = (begun.snapshot.state or {}).get("uid") or ""
    return rollouts.finishing(ref, work, begun.token, told=told, uid=uid)


def _shown(outcome: Outcome) -> str:
    match outcome:
        case Applied():
            return f"in force, {len(outcome.written)} written"
        case Superseded(message=message):
            return f"superseded: {message}"
        case Rejected(message=message):
            return f"not as intended: {message}"
        case _:
            assert_never(outcome)


def _part(lane: Lane, snapshot: Snapshot) -> str:
    """The part of the state that is the intent of `lane`: for the status, all of it."""
    state = snapshot.state or {}
    return canonical.text(state) if lane is Lane.STATUS else part_of(state, lane.value)
