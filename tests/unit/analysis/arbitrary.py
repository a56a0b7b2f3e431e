"""Hypothesis strategies: any state, any observation, any findings; most of them odd, all possible."""

from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from analysis.findings import Findings, HookResult
from analysis.observation import Confirmed, Observation, PastStatus, Problem, Workload
from analysis.phases import Phase
from analysis.state import Acceptance, HookRound, RolloutState
from analysis.verdicts import Effect
from config.canary import Canary
from config.readiness import READY, Readiness
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import NEW, NEWER, NOW, OLD, REF

_HOOKS: Final = [
    {"name": "pre", "type": "pre-rollout", "url": "http://tester.shop/"},
    {"name": "load", "type": "rollout", "url": "http://tester.shop/"},
    {"name": "post", "type": "post-rollout", "url": "http://tester.shop/"},
]
CANARIES: Final = (
    worlds.a_canary(),
    worlds.a_canary(stepWeights=[1, 2, 10, 80]),
    worlds.a_canary(stepWeight=30, maxWeight=100, stepWeightPromotion=40),
    worlds.a_canary(webhooks=_HOOKS),
    worlds.a_canary(webhooks=_HOOKS, metrics=[]),
    worlds.a_canary(spec={"skipAnalysis": True}),
    worlds.a_canary(spec={"suspend": True}),
    worlds.a_canary(thresholdMode="consecutive", webhooks=_HOOKS),
)

seconds = st.integers(-2000, 2000)
revisions = st.sampled_from([OLD, NEW, NEWER, "", "7d8b5c4f69"])
canaries: SearchStrategy[Canary] = st.sampled_from(CANARIES)
splits = st.integers(0, 100).map(TrafficSplit.of)
kinds = st.sampled_from(["pre-rollout", "rollout", "post-rollout"])
numbers = st.integers(0, 8)


def moments() -> SearchStrategy[datetime]:
    """Around now, often exactly now."""
    return seconds.map(lambda away: NOW + timedelta(seconds=away)) | st.just(NOW)


@st.composite
def states(draw: st.DrawFn) -> RolloutState:
    """Any state, also such as no history leads to."""
    return RolloutState(
        uid="u1",
        phase=draw(st.sampled_from(Phase)),
        since=draw(moments()),
        generation=draw(numbers),
        applied=draw(revisions),
        promoted=draw(revisions),
        route=RouteIntent(draw(numbers), draw(st.sampled_from(RouteStage)), draw(splits)),
        workload=WorkloadIntent(
            draw(numbers), draw(st.sampled_from(CanaryScale)), draw(revisions), draw(revisions)
        ),
        failed_checks=draw(st.integers(0, 5)),
        iterations=draw(numbers),
        check_at=draw(st.none() | moments()),
        round=draw(st.none() | st.builds(HookRound, numbers, kinds, moments())),
        epilogue=draw(st.booleans()),
        skipped=draw(st.booleans()),
        suspended=draw(st.booleans()),
        remark=draw(st.sampled_from(["", "no values"])),
        trouble=draw(st.sampled_from(["", "", "", "forbidden"])),
        acceptance=draw(
            st.none() | st.builds(Acceptance, st.booleans(), st.just("X"), st.just("y"), moments())
        ),
    )


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """A Deployment in any condition."""
    readiness = st.just(READY) | st.builds(
        Readiness, st.just(False), st.booleans(), st.just("not yet")
    )
    return Workload(
        revision=draw(revisions),
        generation=draw(st.integers(0, 3)),
        replicas=draw(st.integers(0, 3)),
        readiness=draw(readiness),
        patience_ends=draw(st.none() | moments()),
    )


@st.composite
def past_statuses(draw: st.DrawFn) -> PastStatus:
    """Any status, ours or another controller's."""
    words = ["Initializing", "Initialized", "Waiting", "Progressing", "WaitingPromotion"]
    words += ["Promoting", "Finalising", "Succeeded", "Failed", "Terminating", "nonsense"]
    return PastStatus(
        phase=draw(st.sampled_from(words)),
        weight=draw(st.integers(0, 100)),
        failed_checks=draw(st.integers(0, 5)),
        iterations=draw(st.integers(-1, 5)),
        applied=draw(revisions),
        promoted=draw(revisions),
        version=draw(st.integers(0, 20)),
    )


@st.composite
def observations(draw: st.DrawFn, *, quiet: bool = False) -> Observation:
    """Any observation; `quiet` ones have nothing that admission speaks about."""
    some: dict[str, Any] = {
        "canary": draw(canaries),
        "state": draw(states()),
        "confirmed": draw(_confirmed()),
    }
    if not quiet:
        some |= {
            "canary": draw(st.none() | canaries),
            "state": draw(st.none() | states()),
            "deleting": draw(st.booleans()),
            "claimed": draw(st.booleans()),
            "problems": draw(
                st.just(()) | st.tuples(st.builds(Problem, st.just("P"), st.just("q"), st.booleans()))
            ),
            "status": draw(st.none() | past_statuses()),
        }
    return Observation(
        now=NOW,
        ref=REF,
        uid="u1",
        generation=draw(numbers),
        interval=timedelta(seconds=draw(st.sampled_from([10, 30, 60]))),
        threshold=draw(st.integers(1, 5)),
        version=draw(st.integers(0, 20)),
        target=draw(st.none() | workloads()),
        primary=draw(st.none() | workloads()),
        in_force=draw(st.none() | splits),
        **some,
    )


@st.composite
def _confirmed(draw: st.DrawFn) -> Confirmed:
    everything = draw(st.booleans())
    return Confirmed(
        route_seq=9 if everything else draw(numbers),
        route_at=draw(st.none() | moments()),
        workload_seq=9 if everything else draw(numbers),
        target_generation=draw(st.integers(0, 2)),
        primary_generation=draw(st.integers(0, 2)),
        report_version=draw(st.integers(0, 21)),
        trouble=draw(st.sampled_from(["", "", "", "forbidden"])),
    )


@st.composite
def findings(draw: st.DrawFn) -> Findings:
    """Any findings: asked or not, passed or not."""
    checks = st.lists(st.sampled_from(Effect).map(worlds.a_check), max_size=3).map(tuple)
    answer = st.booleans()
    results = {
        kind: tuple(HookResult(kind, kind, ok=ok) for ok in draw(st.lists(answer, min_size=1)))
        for kind in draw(st.sets(kinds))
    }
    return Findings(
        hooks=draw(st.sampled_from([None, results])),
        checks=draw(st.none() | checks),
        providers=draw(st.none() | st.just(()) | st.just(("connection refused",))),
    )
