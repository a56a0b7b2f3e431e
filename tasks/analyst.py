"""Looks at canaries: observe, find out what must be known, decide, commit, ask for the effects.

The imperative shell around `analysis.decide`; everything it does can be done twice.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from analysis import alerting, cadence, decide, effects, hooks, tally, urgency
from analysis import state as states
from analysis.decisions import AskBackends, AskChecks, Decision, Rest, Ruling
from analysis.effects import Lane
from analysis.findings import Findings, HookCalls
from analysis.metrics import checks
from analysis.observation import Observation
from analysis.phases import ENDING
from analysis.state import RolloutState
from clients import instruments
from clients.redis import rollouts
from clients.redis.records import Begun, Commit, Work
from config.api.hooks import AlertSeverity
from config.ranks import Rank
from config.refs import CanaryRef
from notify.channels.alertmanager import REFRESH
from tasks import alarms, gather, timeline
from tasks.batch import Crew
from tasks.configs import ConfigReader
from tasks.gather import Defaults
from tasks.steps import CallHook, Measure, Nudge, Steps, ask, awaited

log = logging.getLogger(__name__)

QUESTIONS: Final = 4
"""How often a tick may ask before it decides; each question is asked at most once."""


class _Outcome(StrEnum):
    """What came of a tick, as it is counted."""

    NOT_DUE = "not-due"
    UNKNOWN = "unknown"
    RESTED = "rested"
    COMMITTED = "committed"
    OVERTAKEN = "overtaken"


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

    def tick(self, *refs: CanaryRef) -> dict[str, str]:
        """Brings each of `refs` one decision further, if it is due and there is one to make.

        Gives back by canary what was decided.
        """
        return self.crew.carry_out({ref: self._tick(ref) for ref in refs})

    def _tick(self, ref: CanaryRef) -> Steps[str]:
        asked = self.crew.clock.monotonic()
        begun = yield from ask(rollouts.beginning(ref, Work.TICK, self.lease, if_due=True))
        if begun is None:
            self._count(_Outcome.NOT_DUE)
            return "not due, or another worker has it"
        begun, unread = yield from self.configs.known(ref, begun)
        seen = gather.observe(ref, begun.snapshot, self.defaults, unread)
        if seen is None:
            # A newer release may be looking at what this one cannot read.
            pause = self.resync if begun.snapshot.is_readable else effects.RETRY
            due = begun.snapshot.now + pause
            finish = rollouts.finishing(ref, Work.TICK, begun.token, due, Rank.RESYNC)
            yield from ask(finish)
            self._count(_Outcome.UNKNOWN)
            return "no such canary, or written by another release"
        found = gather.answered(seen, begun.calls)
        ruling = decide.decide(seen, found)
        for _ in range(QUESTIONS):
            if isinstance(ruling, Decision | Rest):
                break
            found = yield from self._find_out(seen, ruling, found)
            ruling = decide.decide(seen, found)
        took = timedelta(seconds=self.crew.clock.monotonic() - asked)
        return (yield from self._conclude(seen, begun, ruling, found, took))

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
        self, seen: Observation, begun: Begun, ruling: Ruling, found: Findings, took: timedelta
    ) -> Steps[str]:
        match ruling:
            case Decision(state=state):
                noted = replace(ruling, state=alerting.noted(seen.state, state, seen.now))
                return (yield from self._commit(seen, begun, noted, found, took))
            case Rest(until=until):
                missing = _missing(seen, seen.version)
                due = self._due(seen, begun, until, missing)
                rank = urgency.rank(seen.state, missing)
                yield from ask(rollouts.finishing(seen.ref, Work.TICK, begun.token, due, rank))
                late = self._is_late(seen, begun)
                yield from _nudges(seen, seen.version, rank, until, late=late)
                if self._fires(seen):
                    yield Nudge(Lane.STATUS, rank, if_due=False)
                self._count(_Outcome.RESTED, ruling.rule)
                return f"rests until {due:%H:%M:%S}"
            case AskChecks() | AskBackends():
                raise AssertionError(f"rule {ruling.rule} asks what it was told")

    def _commit(
        self,
        seen: Observation,
        begun: Begun,
        decision: Decision,
        found: Findings,
        took: timedelta,
    ) -> Steps[str]:
        decided = replace(seen, state=decision.state)
        planned = decide.due(seen, decision)
        due = effects.due(decision.state, planned, seen.now, decided.held_until)
        rank = urgency.rank(decision.state, _missing(decided, seen.version + 1))
        commit = Commit(
            expected=seen.version,
            state=states.to_json(replace(decision.state, leapt=begun.snapshot.leaps.total)),
            timeline=timeline.entry(seen, decision, found),
            again=timeline.again(seen, decision),
            notices=tuple(timeline.notice(seen, decision, event) for event in decision.events),
            due=self._due(seen, begun, due, _missing(seen, seen.version)),
            token=begun.token,
            floor=seen.status.version if seen.status else 0,
            rank=rank,
            counted=tally.counted(seen.state, decision.state, seen.canary, found.checks, took),
        )
        version = yield from ask(rollouts.committing(seen.ref, commit))
        if version is None:
            yield from ask(rollouts.finishing(seen.ref, Work.TICK, begun.token, seen.now))
            self._count(_Outcome.OVERTAKEN, decision.rule)
            self.crew.instruments.add(instruments.STALE, Work.TICK.value)
            return f"{decision.rule}, too late: decided by somebody else meanwhile"
        self._count(_Outcome.COMMITTED, decision.rule)
        self._tell(seen, found, took)
        _log(seen, decision, version)
        untold = not _is_news(seen, decision)
        late = self._is_late(seen, begun)
        yield from _nudges(decided, version, rank, due, untold=untold, late=late)
        yield from _hooks(seen, decision.state, found.calls)
        return f"{decision.rule}, {decision.state.route.split}"

    def _count(self, outcome: _Outcome, rule: str = "") -> None:
        self.crew.instruments.add(instruments.TICKS, outcome.value, rule)

    def _tell(self, seen: Observation, found: Findings, took: timedelta) -> None:
        """Has noted what was found out, when it was due, and how long it took."""
        tell = self.crew.instruments
        if found.checks is None or seen.state is None:
            return
        for result in found.checks:
            tell.add(instruments.CHECKS, result.verdict.value)
        tell.observe(instruments.TICK_SECONDS, took.total_seconds())
        if seen.state.check_at is not None:
            late = (seen.now - seen.state.check_at) + took
            tell.observe(instruments.LATENESS, max(0.0, late.total_seconds()))

    def _is_late(self, seen: Observation, begun: Begun) -> bool:
        """Whether there is something untold that others are told too: one was perhaps away."""
        if not begun.is_untold:
            return False
        audience = self.defaults.audience
        return bool(audience.hooks(seen.canary) or audience.receivers(seen.canary))

    def _fires(self, seen: Observation) -> bool:
        """Whether an Alertmanager may have to be told again what is wrong with the canary."""
        state, canary, audience = seen.state, seen.canary, self.defaults.audience
        if state is None or canary is None or not audience.receivers(canary):
            return False
        return bool(alarms.firing(state, canary, seen.now, audience.alerts.gate_wait))

    def _due(
        self, seen: Observation, begun: Begun, until: datetime | None, missing: Collection[Lane]
    ) -> datetime:
        """`until`, or the next resync; earlier while something is to be mended or brought about."""
        resync = cadence.resync(self.resync, begun.canaries)
        due = until or cadence.at_rest(seen.ref, seen.now, resync)
        if self._fires(seen):
            due = min(due, seen.now + REFRESH)
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
    missing = effects.unfinished(
        seen.state, version, seen.confirmed, seen.now, due, held=seen.held_until
    )
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
