"""Looks at one canary: observe, find out what must be known, decide, commit, ask for the effects.

The imperative shell around `analysis.decide`; everything it does can be done twice.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from analysis import cadence, decide, effects, hooks
from analysis import state as states
from analysis.backends.backend import Endpoint
from analysis.decisions import AskBackends, AskChecks, Decision, Outcome, Rest
from analysis.effects import Lane
from analysis.events import Event
from analysis.findings import CheckResult, Findings, HookCalls
from analysis.metrics import checks
from analysis.observation import Observation
from analysis.phases import shown
from analysis.state import RolloutState
from clients.documents.notice import Notice
from clients.redis.records import Begun, Commit, Work
from clients.redis.store import Store
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from tasks import gather
from tasks.gather import Defaults
from tasks.queues import Dispatcher

log = logging.getLogger(__name__)

QUESTIONS: Final = 4
"""How often a tick may ask before it decides; each question is asked at most once."""


class Reader(Protocol):
    """What the analyst needs of a metric reader; measuring never raises."""

    def measure(self, asked: tuple[checks.Check, ...]) -> tuple[CheckResult, ...]:
        """The results of `asked`, in that order."""

    def probe(self, endpoints: tuple[Endpoint, ...]) -> tuple[str, ...]:
        """What is wrong with `endpoints`; empty when all of them answer."""


@dataclass(frozen=True, slots=True)
class Analyst:
    """Decides; the only writer of rollout state."""

    store: Store
    reader: Reader
    dispatcher: Dispatcher
    defaults: Defaults
    lease: timedelta
    """How long one tick may take."""
    resync: timedelta
    """How long a canary may rest unseen."""

    def tick(self, ref: CanaryRef) -> None:
        """Brings `ref` one decision further, if it is due and there is one to make."""
        begun = self.store.begin(ref, Work.TICK, self.lease, if_due=True)
        if begun is not None:
            self._work(ref, begun)

    def _work(self, ref: CanaryRef, begun: Begun) -> None:
        seen = gather.observe(ref, begun.snapshot, self.defaults)
        if seen is None:
            # A newer release may be looking at what this one cannot read.
            pause = self.resync if begun.snapshot.is_readable else effects.RETRY
            self.store.finish(ref, Work.TICK, begun.token, begun.snapshot.now + pause)
            return
        found = self._heard(seen)
        outcome = decide.decide(seen, found)
        for _ in range(QUESTIONS):
            if isinstance(outcome, Decision | Rest):
                break
            found = self._find_out(seen, outcome, found)
            outcome = decide.decide(seen, found)
        self._conclude(seen, begun, outcome, found)

    def _heard(self, seen: Observation) -> Findings:
        """What the hooks have answered that the state waits for."""
        asked = seen.state.round if seen.state else None
        if asked is None:
            return Findings.none()
        return gather.answered(seen, self.store.calls(seen.ref, asked.id))

    def _find_out(self, seen: Observation, question: Outcome, found: Findings) -> Findings:
        """`found` with the answer to `question`."""
        canary, default = seen.canary, self.defaults
        if canary is None:
            return found
        if isinstance(question, AskBackends):
            endpoints = checks.endpoints_to_probe(canary, default.endpoint)
            return replace(found, backends=self.reader.probe(endpoints))
        asked = checks.checks_for(canary, default.provider, default.endpoint)
        return replace(found, checks=self.reader.measure(asked))

    def _conclude(self, seen: Observation, begun: Begun, outcome: Outcome, found: Findings) -> None:
        match outcome:
            case Decision():
                self._commit(seen, begun, outcome, found)
            case Rest(until=until):
                self.store.finish(seen.ref, Work.TICK, begun.token, self._due(seen, until))
                # At rest nothing else would notice that a nudge to mend drift was lost. It costs no
                # call where nothing has drifted.
                drifted = {Lane.ROUTE, Lane.STATUS} if until is None else set()
                self._ask_for_effects(seen, seen.version, drifted)
            case AskChecks() | AskBackends():
                raise AssertionError(f"rule {outcome.rule} asks what it was told")

    def _commit(self, seen: Observation, begun: Begun, decision: Decision, found: Findings) -> None:
        due = effects.due(decision.state, decision.due, seen.now)
        commit = Commit(
            expected=seen.version,
            state=states.to_json(decision.state),
            timeline=_entry(seen, decision, found),
            notices=tuple(_notice(seen, decision, event) for event in decision.events),
            due=self._due(seen, due),
            token=begun.token,
            floor=seen.status.version if seen.status else 0,
        )
        version = self.store.commit(seen.ref, commit)
        if version is None:
            self.store.finish(seen.ref, Work.TICK, begun.token, seen.now)
            return
        _log(seen, decision, version)
        after = replace(seen, state=decision.state)
        self._ask_for_effects(after, version)
        self._ask_hooks(seen, decision.state, found.calls)

    def _ask_for_effects(
        self, seen: Observation, version: int, also: Collection[Lane] = ()
    ) -> None:
        """Has what is desired but not confirmed brought about, and `also`; weights first."""
        if seen.state is None:
            return
        missing = effects.unfinished(seen.state, version, seen.confirmed) | set(also)
        for lane in Lane:
            if lane in missing:
                self.dispatcher.reconcile(seen.ref, lane)

    def _ask_hooks(self, seen: Observation, state: RolloutState, known: HookCalls) -> None:
        """Has the hooks called that `state`, just decided, asks for, or asks for once more."""
        asked = state.round
        if asked is None or asked == (seen.state and seen.state.round) or seen.canary is None:
            return
        for key in hooks.untaken(hooks.awaited(seen.canary, state), known, seen.now):
            self.dispatcher.call(seen.ref, asked.id, key)

    def _due(self, seen: Observation, until: datetime | None) -> datetime:
        """`until`, or the next resync, spread over its period so that not all come at once.

        Earlier while something is to be mended, or was never brought about.
        """
        spread = cadence.offset(seen.ref, self.resync * cadence.TOLERANCE)
        due = until or seen.now + self.resync + spread
        return min(due, seen.now + effects.RETRY) if _is_awaited(seen, until) else due


def _is_awaited(seen: Observation, until: datetime | None) -> bool:
    """Whether effects are to be asked for again soon, though the rules plan to rest `until`."""
    if seen.state is None or seen.canary is None or seen.deleting:
        return False
    missing = effects.outstanding(seen.state, seen.version, seen.confirmed)
    return bool(seen.confirmed.troubles) or (until is None and bool(missing))


def _notice(seen: Observation, decision: Decision, event: Event) -> Notice:
    """`event` as it waits for delivery, with what was known of the rollout when it was decided."""
    state = decision.state
    return Notice(
        uid=seen.uid,
        at=seen.now,
        severity=event.severity,
        message=event.message,
        fields={
            "phase": shown(state.phase),
            "split": str(state.route.split),
            "revision": state.applied,
            "failedChecks": str(state.failed_checks),
        },
        first=event.first,
        count=event.times,
    )


def _log(seen: Observation, decision: Decision, version: int) -> None:
    """One line per event, with its text as the message, as scripts expect; else one line."""
    extra = {
        "canary": seen.ref.dotted,
        "rule": decision.rule,
        "phase": decision.state.phase.value,
        "version": version,
    }
    for event in decision.events:
        level = logging.INFO if event.severity is AlertSeverity.INFO else logging.WARNING
        log.log(level, event.message, extra=extra)
    if not decision.events:
        log.debug("decided", extra={**extra, "reason": decision.reason})


def _entry(seen: Observation, decision: Decision, found: Findings) -> dict[str, Any]:
    """What the timeline keeps of a decision: enough to explain it without the cluster."""
    state = decision.state
    return {
        "at": seen.now.isoformat(),
        "rule": decision.rule,
        "reason": decision.reason,
        "message": decision.message,
        "phase": state.phase.value,
        "split": str(state.route.split),
        "failedChecks": state.failed_checks,
        "revision": state.applied,
        "checks": [_check(result) for result in found.checks or ()],
        "hooks": [asdict(result) for results in (found.hooks or {}).values() for result in results],
    }


def _check(result: CheckResult) -> dict[str, Any]:
    entry = asdict(result)
    took: timedelta = entry.pop("took")
    if result.value is not None and not math.isfinite(result.value):
        entry["value"] = str(result.value)  # JSON has no infinity
    return {**entry, "tookMilliseconds": round(took / timedelta(milliseconds=1), 1)}
