"""Looks at canaries: observe, find out what must be known, decide, commit, ask for the effects.

The imperative shell around `analysis.decide`; everything it does can be done twice.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from analysis import cadence, decide, effects, hooks, urgency
from analysis import state as states
from analysis.decisions import AskBackends, AskChecks, Decision, Rest, Ruling
from analysis.effects import Lane
from analysis.events import Event
from analysis.findings import CheckResult, Findings, HookCalls
from analysis.metrics import checks
from analysis.observation import Observation
from analysis.phases import ENDING, shown
from analysis.state import RolloutState
from clients.documents.notice import Notice
from clients.redis import rollouts
from clients.redis.records import Begun, Commit, Work
from config.api.hooks import AlertSeverity
from config.ranks import Rank
from config.refs import CanaryRef
from tasks import gather, teller
from tasks.batch import Crew
from tasks.configs import ConfigReader
from tasks.gather import Defaults
from tasks.steps import CallHook, Measure, Nudge, Steps, ask, awaited

log = logging.getLogger(__name__)

QUESTIONS: Final = 4
"""How often a tick may ask before it decides; each question is asked at most once."""


@dataclass(frozen=True, slots=True)
class Analyst:
    """Decides; the only writer of rollout state."""

    crew: Crew
    defaults: Defaults
    configs: ConfigReader
    lease: timedelta
    """How long one tick may take."""
    resync: timedelta
    """How long a canary may rest unseen, when there are few of them."""

    def tick(self, *refs: CanaryRef) -> None:
        """Brings each of `refs` one decision further, if it is due and there is one to make."""
        self.crew.carry_out({ref: self._tick(ref) for ref in refs})

    def _tick(self, ref: CanaryRef) -> Steps[None]:
        begun = yield from ask(rollouts.beginning(ref, Work.TICK, self.lease, if_due=True))
        if begun is None:
            return
        begun, unread = yield from self.configs.known(ref, begun)
        seen = gather.observe(ref, begun.snapshot, self.defaults, unread)
        if seen is None:
            # A newer release may be looking at what this one cannot read.
            pause = self.resync if begun.snapshot.is_readable else effects.RETRY
            due = begun.snapshot.now + pause
            finish = rollouts.finishing(ref, Work.TICK, begun.token, due, Rank.RESYNC)
            yield from ask(finish)
            return
        found = gather.answered(seen, begun.calls)
        ruling = decide.decide(seen, found)
        for _ in range(QUESTIONS):
            if isinstance(ruling, Decision | Rest):
                break
            found = yield from self._find_out(seen, ruling, found)
            ruling = decide.decide(seen, found)
        yield from self._conclude(seen, begun, ruling, found)

    def _find_out(self, seen: Observation, question: Ruling, found: Findings) -> Steps[Findings]:
        """`found` with the answer to `question`."""
        canary, default = seen.canary, self.defaults
        if canary is None:
            return found
        if isinstance(question, AskBackends):
            endpoints = checks.endpoints_to_probe(canary, default.endpoint, seen.templates)
            backends = yield from awaited(partial(self.crew.reader.probe, endpoints))
            return replace(found, backends=backends)
        revision = seen.state.applied if seen.state else ""
        asked = checks.checks_for(
            canary, default.provider, default.endpoint, revision, seen.templates
        )
        return replace(found, checks=(yield Measure(asked)))

    def _conclude(
        self, seen: Observation, begun: Begun, ruling: Ruling, found: Findings
    ) -> Steps[None]:
        match ruling:
            case Decision():
                yield from self._commit(seen, begun, ruling, found)
            case Rest(until=until):
                missing = _missing(seen, seen.version)
                due = self._due(seen, begun, until, missing)
                rank = urgency.rank(seen.state, missing)
                yield from ask(rollouts.finishing(seen.ref, Work.TICK, begun.token, due, rank))
                late = self._is_late(seen, begun)
                yield from _nudges(seen, seen.version, rank, until, late=late)
            case AskChecks() | AskBackends():
                raise AssertionError(f"rule {ruling.rule} asks what it was told")

    def _commit(
        self, seen: Observation, begun: Begun, decision: Decision, found: Findings
    ) -> Steps[None]:
        due = effects.due(decision.state, decide.due(seen, decision), seen.now)
        decided = replace(seen, state=decision.state)
        rank = urgency.rank(decision.state, _missing(decided, seen.version + 1))
        commit = Commit(
            expected=seen.version,
            state=states.to_json(decision.state),
            timeline=_entry(seen, decision, found),
            notices=tuple(_notice(seen, decision, event) for event in decision.events),
            due=self._due(seen, begun, due, _missing(seen, seen.version)),
            token=begun.token,
            floor=seen.status.version if seen.status else 0,
            rank=rank,
        )
        version = yield from ask(rollouts.committing(seen.ref, commit))
        if version is None:
            yield from ask(rollouts.finishing(seen.ref, Work.TICK, begun.token, seen.now))
            return
        _log(seen, decision, version)
        untold = not _is_news(seen, decision)
        late = self._is_late(seen, begun)
        yield from _nudges(decided, version, rank, due, untold=untold, late=late)
        yield from _hooks(seen, decision.state, found.calls)

    def _is_late(self, seen: Observation, begun: Begun) -> bool:
        """Whether there is something untold of a canary with event hooks: one was perhaps away."""
        return begun.is_untold and bool(teller.named(seen.canary, self.defaults.event_webhook))

    def _due(
        self, seen: Observation, begun: Begun, until: datetime | None, missing: Collection[Lane]
    ) -> datetime:
        """`until`, or the next resync; earlier while something is to be mended or brought about."""
        resync = cadence.resync(self.resync, begun.canaries)
        due = until or cadence.at_rest(seen.ref, seen.now, resync)
        is_awaited = _is_awaited(seen, until, missing)
        return min(due, seen.now + effects.RETRY) if is_awaited else due


def _is_news(seen: Observation, decision: Decision) -> bool:
    """Whether there is more to show and to tell since `decision` than that hooks were asked."""
    if seen.state is None or decision.events or seen.confirmed.status_version < seen.version:
        return True
    return replace(decision.state, round=None) != replace(seen.state, round=None)


def _nudges(
    seen: Observation,
    version: int,
    rank: Rank,
    due: datetime | None,
    *,
    untold: bool = False,
    late: bool,
) -> Steps[None]:
    """Has what is desired but not confirmed brought about; weights first.

    What may stay `untold` is shown with what the canary is looked at for next; not what was to be
    told before and is `late`.
    """
    if seen.state is None:
        return
    missing = effects.unfinished(seen.state, version, seen.confirmed, seen.now, due)
    if untold:
        missing -= {Lane.STATUS}
    if late:
        missing |= {Lane.STATUS}
    for lane in Lane:
        if lane in missing:
            yield Nudge(lane, rank)


def _hooks(seen: Observation, state: RolloutState, known: HookCalls) -> Steps[None]:
    """Has the hooks called that `state`, just decided, asks for, or asks for once more."""
    asked = state.round
    if asked is None or asked == (seen.state and seen.state.round) or seen.canary is None:
        return
    rank = urgency.rank(state, ())
    for key in hooks.untaken(hooks.awaited(seen.canary, state), known, seen.now):
        yield CallHook(asked.id, key, rank)


def _missing(seen: Observation, version: int) -> frozenset[Lane]:
    """What the state, committed as `version`, still wants."""
    return effects.outstanding(seen.state, version, seen.confirmed) if seen.state else frozenset()


def _is_awaited(seen: Observation, until: datetime | None, missing: Collection[Lane]) -> bool:
    """Whether effects are to be asked for again soon, though the rules plan to rest `until`."""
    if seen.state is None or (seen.deleting and seen.state.phase not in ENDING):
        return False
    if seen.canary is None and seen.state.phase not in ENDING:
        return False
    is_stuck = bool(seen.confirmed.troubles) or bool(seen.unknown_configs)
    return is_stuck or (until is None and bool(missing))


def _notice(seen: Observation, decision: Decision, event: Event) -> Notice:
    """`event` as it waits for delivery, with what was known of the rollout when it was decided."""
    state, before = decision.state, seen.state
    return Notice(
        uid=seen.uid,
        at=seen.now,
        severity=event.severity,
        message=event.message,
        fields={
            "phase": shown(state.phase),
            "told": shown(state.phase if event.is_entering or before is None else before.phase),
            "split": str(state.route.split),
            "revision": state.applied,
            "failedChecks": str(state.failed_checks),
        },
        first=event.first,
        count=event.times,
        muted=event.muted,
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
    entry = {name: getattr(result, name) for name in _TOLD}
    if result.value is not None and not math.isfinite(result.value):
        entry["value"] = str(result.value)  # JSON has no infinity
    return {**entry, "tookMilliseconds": round(result.took / timedelta(milliseconds=1), 1)}


_TOLD: Final = [each.name for each in fields(CheckResult) if each.name != "took"]
"""What is kept of a check as it is."""
