"""What is to be done about one observation, or what must be known first; pure.

A tick asks with nothing found out, and gets either a decision or the question that the deciding
rule asks; the same rules run again with the answer.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from analysis import waiting
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.rules import ADMISSION, ANNOUNCEMENTS, RULES, failover, limits, waits


def decide(observation: Observation, findings: Findings) -> Ruling:
    """What to do about `observation` given `findings`, with the name of the rule that says so.

    Asks again only for what `findings` does not hold.
    """
    for admission in ADMISSION:
        if findings.hooks and admission in ANNOUNCEMENTS:
            continue
        ruling = admission(observation)
        if ruling is not None:
            return replace(ruling, rule=admission.__name__)
    canary, strategy, state = observation.canary, observation.strategy, observation.state
    if canary is None or strategy is None or state is None:
        return Rest(rule="nothing_accepted")
    case = Case(observation, findings, canary, strategy, state)
    for rule in RULES[state.phase]:
        ruling = rule(case)
        if ruling is not None:
            named = replace(failover.guarded(case, ruling), rule=rule.__name__)
            settled = _configured(case, _settled(case, named))
            return _limited(case, _timed(case, settled))
    return _settled(case, Rest(rule="nothing_to_do"))


def due(observation: Observation, decision: Decision) -> datetime | None:
    """When to look again after `decision`; None: nothing is expected to happen by itself.

    As it says, unless a look at once would only find that there is nothing to do yet.
    """
    if decision.due is None or decision.due > observation.now:
        return decision.due
    version = observation.version + 1
    next_look = decide(replace(observation, state=decision.state, version=version), Findings())
    return next_look.until if isinstance(next_look, Rest) else decision.due


def _configured(case: Case, ruling: Ruling) -> Ruling:
    """`ruling`, with the configs of the revision that it has applied."""
    if not isinstance(ruling, Decision):
        return ruling
    applied = ruling.state.applied
    known = (each for each in (case.target, case.primary) if each and each.revision == applied)
    configs = next((each.configs for each in known), None)
    if configs is None or configs == (ruling.state.configs or {}):
        return ruling
    return replace(ruling, state=replace(ruling.state, configs=configs))


def _timed(case: Case, ruling: Ruling) -> Ruling:
    """`ruling`, with the time of what it decides of traffic and workloads."""
    if not isinstance(ruling, Decision):
        return ruling
    before, after = case.state, ruling.state
    if (before.route, before.workload) == (after.route, after.workload):
        return ruling
    return replace(ruling, state=replace(after, intended_at=case.now))


def _limited(case: Case, ruling: Ruling) -> Ruling:
    """`ruling`, with the next look when the rollout is overdue at the latest."""
    state = ruling.state if isinstance(ruling, Decision) else case.state
    ends = limits.next_end(case.canary, state)
    if ends is None or ends <= case.now:
        return ruling
    return waits.by(ruling, ends)


def _settled(case: Case, ruling: Ruling) -> Ruling:
    """`ruling`, or the end of a wait where nothing is left of what was waited for."""
    state = case.state
    if not isinstance(ruling, Rest) or ruling.waits or state.waiting is None:
        return ruling
    if failover.is_short_of_pods(case, state.waiting.reason):
        return ruling
    unknown_yet = state.round is not None or (state.check_at or case.now) > case.now
    if unknown_yet and state.waiting.reason in waiting.KNOWN_AT_CHECKS:
        return ruling
    over = replace(state, waiting=None)
    message = f"{case.observation.ref} waits no longer: {state.waiting.reason}"
    return Decision("WaitOver", message, over, due=ruling.until, rule=ruling.rule)
