"""The two questions of every tick, both pure: what must be known, and what is to be done.

The same rules answer both: `plan` runs them with nothing found out, and gets either a decision or
the question that the deciding rule asks; `decide` runs them again with the answers.
"""

from __future__ import annotations

from dataclasses import replace

from analysis.decisions import Case, Outcome, Rest
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.rules import ADMISSION, ANNOUNCEMENTS, RULES


def plan(observation: Observation) -> Outcome:
    """What to do about `observation`, or what to find out first."""
    return decide(observation, Findings.none())


def decide(observation: Observation, findings: Findings) -> Outcome:
    """What to do about `observation` given `findings`, with the name of the rule that says so.

    Asks again only for what `findings` does not hold.
    """
    for admission in ADMISSION:
        if findings.hooks and admission in ANNOUNCEMENTS:
            continue
        outcome = admission(observation)
        if outcome is not None:
            return replace(outcome, rule=admission.__name__)
    canary, strategy, state = observation.canary, observation.strategy, observation.state
    if canary is None or strategy is None or state is None:
        return Rest(rule="nothing_accepted")
    case = Case(observation, findings, canary, strategy, state)
    for rule in RULES[state.phase]:
        outcome = rule(case)
        if outcome is not None:
            return replace(outcome, rule=rule.__name__)
    return Rest(rule="nothing_to_do")
