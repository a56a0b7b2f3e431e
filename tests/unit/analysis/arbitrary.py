"""Hypothesis strategies: any state, any observation, any findings; most of them odd."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from analysis import hooks
from analysis.effects import Lane
from analysis.findings import Findings, HookResult
from analysis.observation import Observation, PastStatus, Workload
from analysis.phases import Phase
from analysis.state import Acceptance, HookRound, RolloutState
from analysis.strategies import STRATEGIES
from analysis.verdicts import Effect
from analysis.waiting import Waiting, WaitReason
from clients.documents.confirmed import Confirmed
from config import requests
from config.api.canary import Canary
from config.readiness import READY, Readiness
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import Affinity, Mirror, RouteIntent, RouteStage, TrafficSplit
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import NEW, NEWER, NOW, OLD, REF

_HOOKS: Final = [
    {"name": "pre", "type": "pre-rollout", "url": "http://tester.shop/"},
    {"name": "load", "type": "rollout", "url": "http://tester.shop/"},
    {"name": "post", "type": "post-rollout", "url": "http://tester.shop/"},
]
_MATCH: Final = [{"headers": {"x-user": {"exact": "insider"}}}]
_PINNED: Final = [{"header": {"name": "x-beta", "value": {"exact": "1"}}}]
_GATES: Final = [
    {"name": kind, "type": kind, "url": "http://gate.shop/"}
    for kind in ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion", "rollback")
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
    worlds.a_canary(match=_MATCH, mirror=True),
    worlds.a_canary(a_b_test=_PINNED, sessionAffinity={"cookieName": "c"}, stepWeightPromotion=30),
    worlds.iterating(2),
    worlds.iterating(2, mirror=True, webhooks=_HOOKS),
    worlds.iterating(3, match=_MATCH),
    worlds.iterating(3, match=_MATCH, webhooks=_HOOKS, stepWeightPromotion=50),
    worlds.a_canary(webhooks=_GATES),
    worlds.a_canary(webhooks=[*_GATES, *_HOOKS]),
)

revisions: Final = st.sampled_from([OLD, NEW, NEWER, "", "7d8b5c4f69"])
canaries: Final[SearchStrategy[Canary]] = st.sampled_from(CANARIES)
kinds: Final = st.sampled_from(sorted(hooks.ASKED))
numbers: Final = st.integers(0, 8)
_moments: Final[SearchStrategy[datetime]] = st.sampled_from(
    [NOW + timedelta(seconds=away) for away in (-2000, -300, -31, -29, -1, 0, 0, 1, 29, 31, 2000)]
)
_weights: Final = st.sampled_from([0, 0, 0, 1, 5, 10, 20, 40, 60, 80, 99, 100])
_waits: Final = st.none() | st.builds(
    Waiting,
    st.sampled_from(WaitReason),
    st.sampled_from(["no values", "forbidden"]),
    _moments,
    _moments,
    _moments,
    numbers,
)
_chosen: Final = st.sampled_from([(), (), requests.matched(worlds.a_canary(match=_MATCH))])
splits: Final = st.builds(
    lambda weight, **asked: replace(TrafficSplit.of(weight), **asked),
    _weights,
    match=_chosen,
    pinned=st.sampled_from([(), (), requests.pinned(worlds.a_canary(a_b_test=_PINNED))]),
    mirror=st.sampled_from([None, None, Mirror(), Mirror(40)]),
    affinity=st.sampled_from([None, None, Affinity("c=abc"), Affinity(expired="c=abc")]),
)
_calm: Final = {"acceptance": st.none(), "trouble": st.none(), "suspended": st.just(False)}
_fields: Final[dict[str, SearchStrategy[Any]]] = {
    "uid": st.just("u1"),
    "since": _moments,
    "generation": numbers,
    "applied": revisions,
    "promoted": revisions,
    "route": st.builds(RouteIntent, numbers, st.sampled_from(RouteStage), splits),
    "workload": st.builds(
        WorkloadIntent, numbers, st.sampled_from(CanaryScale), revisions, revisions
    ),
    "failed_checks": st.integers(0, 5),
    "iterations": numbers,
    "check_at": st.none() | _moments,
    "round": st.none()
    | st.builds(
        HookRound,
        numbers,
        kinds,
        _moments,
        revision=st.sampled_from(["", "", NEW, NEWER]),
        settled=st.lists(kinds, max_size=2).map(tuple),
    ),
    "epilogue": st.booleans(),
    "skipped": st.booleans(),
    "suspended": st.booleans(),
    "waiting": _waits,
    "trouble": _waits,
    "acceptance": st.none()
    | st.builds(Acceptance, st.booleans(), st.just("X"), st.just("y"), _moments),
}


def states(*phases: Phase, calm: bool = False) -> SearchStrategy[RolloutState]:
    """Any state in one of `phases` (all when none is named), also such as no history leads to.

    A `calm` one has nothing that admission would speak about.
    """
    return st.builds(
        RolloutState,
        phase=st.sampled_from(phases or tuple(Phase)),
        **{**_fields, **(_calm if calm else {})},
    )


_readiness: Final = st.just(READY) | st.builds(
    Readiness, st.just(False), st.booleans(), st.just("not yet")
)
workloads: Final = st.builds(
    Workload,
    revision=revisions,
    generation=st.integers(0, 2),
    replicas=st.sampled_from([0, 1, 2, 2]),
    available=st.sampled_from([0, 1, 2]),
    readiness=_readiness,
    patience_ends=st.none() | _moments,
)
past_statuses: Final = st.builds(
    PastStatus,
    phase=st.sampled_from(
        [
            "Initializing",
            "Initialized",
            "Waiting",
            "Progressing",
            "WaitingPromotion",
            "Promoting",
            "Finalising",
            "Succeeded",
            "Failed",
            "Terminating",
            "nonsense",
        ]
    ),
    weight=_weights,
    failed_checks=st.integers(0, 5),
    iterations=st.integers(-1, 5),
    applied=revisions,
    promoted=revisions,
    version=st.integers(0, 20),
    since=st.none() | _moments,
    acceptance=st.none(),
)
_confirmed: Final = st.builds(
    Confirmed,
    route_seq=st.just(9) | numbers,
    route_at=st.none() | _moments,
    workload_seq=st.just(9) | numbers,
    target_generation=st.integers(0, 1),
    primary_generation=st.integers(0, 1),
    status_version=st.integers(0, 21),
    troubles=st.sampled_from([{}, {Lane.ROUTE: "forbidden"}]),
)
_problems: Final = st.just(()) | st.tuples(
    st.builds(worlds.a_problem, st.just("q"), blocking=st.booleans())
)
_seen: Final[dict[str, SearchStrategy[Any]]] = {
    "now": st.just(NOW),
    "ref": st.just(REF),
    "uid": st.just("u1"),
    "generation": numbers,
    "interval": st.sampled_from([10, 30, 60]).map(lambda length: timedelta(seconds=length)),
    "threshold": st.integers(1, 5),
    "version": st.integers(0, 20),
    "target": st.none() | workloads,
    "primary": st.none() | workloads,
    "in_force": st.none() | splits,
}


def _observed(canary: Canary | None, **fields: Any) -> Observation:
    """An observation of `canary`, with its strategy."""
    strategy = STRATEGIES.chosen(canary) if canary else None
    return Observation(canary=canary, strategy=strategy, **fields)


observations: Final[SearchStrategy[Observation]] = st.builds(
    _observed,
    canary=st.none() | canaries,
    state=st.none() | states(),
    confirmed=_confirmed,
    deleting=st.booleans(),
    problems=_problems,
    status=st.none() | past_statuses,
    **_seen,
)
"""Anything at all."""


def accepted(*phases: Phase) -> SearchStrategy[Observation]:
    """A canary in one of `phases` about which admission has nothing to say, so its rules decide."""
    return st.builds(
        _observed,
        canary=st.sampled_from([item for item in CANARIES if not item.spec.suspend]),
        state=states(*phases, calm=True),
        confirmed=st.builds(
            replace, _confirmed, troubles=st.just({}), route_seq=st.just(9), workload_seq=st.just(9)
        )
        | st.builds(replace, _confirmed, troubles=st.just({})),
        **_seen,
    )


_checks: Final = st.lists(st.sampled_from(Effect).map(worlds.a_check), max_size=3).map(tuple)
_answers: Final = st.dictionaries(
    kinds, st.lists(st.booleans(), min_size=1, max_size=2), max_size=3
).map(
    lambda given: {
        kind: tuple(HookResult(kind, kind, ok=ok) for ok in oks) for kind, oks in given.items()
    }
)
findings: Final[SearchStrategy[Findings]] = st.builds(
    Findings,
    hooks=st.none() | _answers,
    checks=st.none() | _checks,
    backends=st.none() | st.sampled_from([(), ("connection refused",)]),
)
"""Any findings: asked or not, passed or not."""

halting: Final[SearchStrategy[Findings]] = st.builds(
    lambda found, bad, fine: replace(found, checks=(*fine, worlds.a_check(bad))),
    findings,
    st.sampled_from([Effect.COUNTS, Effect.HOLDS]),
    st.sampled_from([(), (worlds.a_check(),)]),
)
"""Findings with a check that failed or is undecided."""

passing: Final[SearchStrategy[Findings]] = st.just(
    Findings(
        hooks={
            kind: (HookResult(kind, kind, ok=True),) for kind in sorted(hooks.ASKED - {"rollback"})
        },
        checks=(worlds.a_check(),),
    )
)
"""Findings with nothing bad in them."""


def dying() -> SearchStrategy[Observation]:
    """A promotion whose primary has run out of its deadline."""
    dead = Workload(NEW, 1, 2, 0, Readiness(ready=False, retriable=False, message="dead"))
    return accepted(Phase.PROMOTING, Phase.FINALISING).map(
        lambda seen: replace(
            seen,
            primary=dead,
            confirmed=replace(seen.confirmed, workload_seq=9, primary_generation=1),
        )
    )


def steady() -> SearchStrategy[Observation]:
    """A rollout whose pods are ready and whose last step is in force: its checks decide."""

    def made(seen: Observation) -> Observation:
        assert seen.state is not None
        ready = worlds.a_workload
        return replace(
            seen,
            state=replace(seen.state, applied=NEW, promoted=OLD),
            target=ready(NEW),
            primary=ready(OLD),
            confirmed=Confirmed(9, seen.confirmed.route_at, 9),
        )

    return accepted(Phase.PROGRESSING).map(made)


def newborn() -> SearchStrategy[Observation]:
    """A canary that is to be initialized: whether its metric servers answer has to be found out."""
    return accepted(Phase.NEW).map(
        lambda seen: replace(seen, target=worlds.a_workload(OLD), problems=())
    )


def unfinished() -> SearchStrategy[Observation]:
    """A canary in any phase, some of whose effects are not confirmed."""
    return accepted().map(
        lambda seen: replace(seen, confirmed=replace(seen.confirmed, route_seq=0, workload_seq=0))
    )


def moving() -> SearchStrategy[Observation]:
    """A canary in a phase that can move traffic, with all that was asked for brought about."""
    phases = [phase for phase in Phase if phase is not Phase.NEW]

    def made(seen: Observation) -> Observation:
        assert seen.state is not None
        route = replace(seen.state.route, stage=RouteStage.EXPOSED)
        confirmed = replace(seen.confirmed, route_seq=9, workload_seq=9, route_at=None)
        return replace(seen, state=replace(seen.state, route=route), confirmed=confirmed)

    return accepted(*phases).map(made)
