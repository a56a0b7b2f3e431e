"""One canary and all that may happen to it, as values: for walking every order of events.

The rules are the real ones; what is around them is as small as can be. Time stands still at `NOW`
and everything that was noted is the older for a wait. Numbers are kept relative to what is
confirmed, so that rollouts that differ in nothing but their history are equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from analysis import decide, effects
from analysis.decisions import AskBackends, AskChecks, Decision, Rest
from analysis.effects import Lane
from analysis.findings import Findings, HookResult
from analysis.observation import Observation, PastStatus
from analysis.phases import RESTING, Phase, shown
from analysis.state import HookRound, RolloutState
from analysis.strategies import STRATEGIES
from clients.documents.confirmed import Confirmed
from config import derived
from config.api.canary import Canary
from config.api.hooks import WebhookType
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import ALL_TO_PRIMARY, RouteIntent, TrafficSplit
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import FAILED, HELD, NEW, NEWER, NOW, OLD, PASSED

WAIT: Final = timedelta(seconds=40)
"""More than an interval, and than any pause between two asks for an effect."""
LONGEST: Final = WAIT
"""Everything longer ago is equally long ago; shorter than a progress deadline."""
AT_WORK: Final = 2
"""Runs under way at most; with Redis they lose their leases, and others begin beside them."""
REPLICAS: Final = 2

V = TypeVar("V", RolloutState, RouteIntent, WorkloadIntent, HookRound, PastStatus)


class Run(NamedTuple):
    """A reconciler at work: it has read what was wanted, and may have written it.

    `is_holder` while its lease is the newest, `is_fresh` while its object is as it was read.
    """

    lane: Lane
    seq: int
    wanted: Any
    is_holder: bool = True
    is_fresh: bool = True
    has_written: bool = False


class Model(NamedTuple):
    """Everything that is stored, live or under way; `state` is the one object of its value.

    `passed` are the revisions that may be promoted, `failed` those that may not get traffic again.
    `releases` and `losses` are how often the user and Redis may still surprise.
    """

    state: RolloutState | None
    version: int
    route_seq: int
    route_at: datetime | None
    workload_seq: int
    status_version: int
    live: TrafficSplit
    target: str
    replicas: int
    primary: str
    status: PastStatus
    runs: tuple[Run, ...] = ()
    passed: frozenset[str] = frozenset({OLD})
    failed: frozenset[str] = frozenset()
    releases: int = 1
    losses: int = 1
    deleting: bool = False

    def __hash__(self) -> int:
        """Of the state, with its dozens of fields, the object alone."""
        return hash((id(self.state), *self[1:]))


Step = tuple[str, Model]
"""What happened, and what is so then."""

Look = tuple[str, Decision]
"""What was answered, and what is decided then."""


def beginning() -> Model:
    """An initialized canary to which a new revision was released."""
    state = worlds.a_state(Phase.INITIALIZED)
    status = _shown(state, 10)
    return Model(
        state=state,
        version=10,
        route_seq=5,
        route_at=NOW - LONGEST,
        workload_seq=5,
        status_version=10,
        live=ALL_TO_PRIMARY,
        target=NEW,
        replicas=0,
        primary=OLD,
        status=status,
    )


def observe(model: Model, canary: Canary) -> Observation:
    """What a tick sees of it."""
    return Observation(
        now=NOW,
        ref=worlds.REF,
        uid="u1",
        generation=1,
        canary=canary,
        strategy=STRATEGIES.chosen(canary),
        interval=derived.interval(canary),
        threshold=derived.threshold(canary),
        deleting=model.deleting,
        version=model.version,
        state=model.state,
        confirmed=_confirmed(model),
        target=worlds.a_workload(model.target, model.replicas),
        primary=worlds.a_workload(model.primary, REPLICAS),
        in_force=model.live,
        status=model.status,
    )


def is_ended(model: Model) -> bool:
    """Whether nothing is under way, and everything is as it is wanted and shown."""
    state = model.state
    if model.deleting or model.runs:
        return model.deleting and not model.runs
    if state is None or state.phase not in RESTING or state.epilogue:
        return False
    is_told = not effects.outstanding(state, model.version, _confirmed(model))
    return is_told and model.live == state.route.split and model.target == state.applied


# -- what may happen ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rollout:
    """The rollout of a canary, step by step; `_looks` are the decisions about what was seen."""

    canary: Canary
    _looks: dict[Model, tuple[Look, ...]] = field(default_factory=dict)
    _states: dict[RolloutState, RolloutState] = field(default_factory=dict)
    _plain: dict[tuple[int, int, int], tuple[RolloutState, RolloutState]] = field(
        default_factory=dict
    )
    """By the numbers of its intents and the identity of a state: that state, and its plain form."""

    def steps(self, model: Model) -> Iterator[Step]:
        """Everything that may happen next to a model in its normal form."""
        happened = ((what, self.normal(after)) for what, after in self._all(model))
        yield from (step for step in happened if step[1] != model)

    def _all(self, model: Model) -> Iterator[Step]:
        yield from ((what, decided(model, decision)) for what, decision in self._decisions(model))
        yield from _runs(model)
        yield from _surprises(model)

    def _decisions(self, model: Model) -> tuple[Look, ...]:
        """What a look may come to: no more than once for models that it cannot tell apart."""
        none: frozenset[str] = frozenset()
        seen = model._replace(runs=(), passed=none, failed=none, releases=0, losses=0)
        if seen not in self._looks:
            self._looks[seen] = tuple(_looks(seen, self.canary))
        return self._looks[seen]

    def normal(self, model: Model) -> Model:
        """`model` with the smallest numbers of the same order, and without what only words need."""
        state = model.state
        ranks = _ranks_in(model)
        route, workload, versions = (
            ranks[lane] for lane in (Lane.ROUTE, Lane.WORKLOAD, Lane.STATUS)
        )
        runs = sorted(
            (_plain_run(run, ranks[run.lane], versions) for run in model.runs), key=_order
        )
        return model._replace(
            state=state
            and self._stated(state, route[state.route.seq], workload[state.workload.seq]),
            version=versions[model.version],
            route_seq=route[model.route_seq],
            workload_seq=workload[model.workload_seq],
            status_version=versions[model.status_version],
            status=_with(model.status, version=versions[model.status.version]),
            runs=tuple(runs),
        )

    def _stated(self, state: RolloutState, route: int, workload: int) -> RolloutState:
        """The one object of a state's plain form; most steps do not touch the state."""
        key = id(state), route, workload
        if key not in self._plain:
            plain = plain_state(state, route, workload)
            self._plain[key] = state, self._states.setdefault(plain, plain)
        return self._plain[key][1]


def _surprises(model: Model) -> Iterator[Step]:
    yield "time passes", aged(model)
    if model.releases and not model.deleting:
        for revision in {NEWER, model.primary} - {model.target}:
            released = model._replace(target=revision, releases=model.releases - 1)
            yield f"{revision[0]} is released", released._replace(failed=model.failed - {revision})
        yield "the canary is deleted", model._replace(deleting=True, releases=0)
    if model.losses:
        yield "Redis is emptied", lost(model)


def _looks(model: Model, canary: Canary) -> Iterator[Look]:
    """A look at the canary, for each answer there may be to what it asks."""
    seen = observe(model, canary)
    asked = model.state.round if model.state else None
    answers = [Findings()]
    if asked is not None:
        hooks = [hook for hook in canary.spec.analysis.webhooks if hook.type == asked.type]
        answers += [
            Findings(
                hooks={asked.type: tuple(_answer(hook.name, asked.type, ok) for hook in hooks)}
            )
            for ok in (True, False)
        ]
    for known in answers:
        outcome = decide.decide(seen, known)
        if isinstance(outcome, AskBackends):
            outcome = decide.decide(seen, replace(known, backends=()))
        if isinstance(outcome, AskChecks):
            for name, found in (("pass", PASSED), ("fail", FAILED), ("are undecided", HELD)):
                judged = decide.decide(seen, replace(known, checks=found.checks))
                if isinstance(judged, Decision):
                    yield f"tick, checks {name}: {judged.rule}", judged
        elif isinstance(outcome, Decision):
            yield f"tick: {outcome.rule}", outcome
        else:
            assert isinstance(outcome, Rest)


def _answer(name: str, kind: WebhookType, ok: bool) -> HookResult:
    return HookResult(name, kind, ok=ok, message="" if ok else "no")


def decided(model: Model, decision: Decision) -> Model:
    """The commit of a decision."""
    after, before = decision.state, model.state
    passed, failed = model.passed, model.failed
    if after.workload.promote and (before is None or after.phase is Phase.PROMOTING):
        passed |= {after.workload.promote}
    if after.phase is Phase.FAILED and before is not None and before.phase is not Phase.FAILED:
        failed |= {after.applied} - {model.primary}
    version = max(model.version, model.status.version) + 1
    return model._replace(state=after, version=version, passed=passed, failed=failed)


def _runs(model: Model) -> Iterator[Step]:
    """What reconcilers do. Those of the route may be interrupted anywhere by anything."""
    for lane in (Lane.WORKLOAD, Lane.STATUS):
        if run := _begun(model, lane):
            written = _in_the_cluster(model, run)
            yield f"{lane} written", _believed(written, run, model.runs)
            yield f"{lane} written, and killed", written
    if len(model.runs) < AT_WORK and (run := _begun(model, Lane.ROUTE)):
        yield "route begins", model._replace(runs=(*model.runs, run))
    for run in model.runs:
        rest = tuple(each for each in model.runs if each is not run)
        yield "route is killed", model._replace(runs=rest)
        if not run.has_written:
            yield "route writes", _written(model, run, rest)
        else:
            yield "route confirms", _believed(model, run, rest)


def _begun(model: Model, lane: Lane) -> Run | None:
    """What somebody who takes the lease of a lane finds to be done."""
    state = model.state
    is_taken = any(run.is_holder for run in model.runs if run.lane is lane)
    if state is None or model.deleting or is_taken or model.version < model.status.version:
        return None
    is_drifted = lane is Lane.ROUTE and model.live != state.route.split
    missing = effects.outstanding(state, model.version, _confirmed(model))
    if lane not in missing and not is_drifted:
        return None
    wanted: dict[Lane, tuple[int, Any]] = {
        Lane.ROUTE: (state.route.seq, state.route.split),
        Lane.WORKLOAD: (state.workload.seq, state.workload),
        Lane.STATUS: (model.version, _in_force_only(model, _shown(state, model.version))),
    }
    return Run(lane, *wanted[lane])


def _in_force_only(model: Model, status: PastStatus) -> PastStatus:
    """A weight is shown once it is in force."""
    state = model.state
    assert state is not None
    is_open = effects.is_shown_once_in_force(state) and model.route_seq < state.route.seq
    return replace(status, weight=min(status.weight, model.status.weight)) if is_open else status


def _written(model: Model, run: Run, rest: tuple[Run, ...]) -> Model:
    """The request arrives: it is refused when its object has changed since it was read."""
    if not run.is_fresh:
        return model._replace(runs=rest)
    before = (model.live, model.target, model.replicas, model.primary, model.status)
    after = _in_the_cluster(model, run)
    is_changed = before != (after.live, after.target, after.replicas, after.primary, after.status)
    others = tuple(
        each._replace(is_fresh=False) if is_changed and each.lane is run.lane else each
        for each in rest
    )
    return after._replace(runs=(*others, run._replace(has_written=True)))


def _in_the_cluster(model: Model, run: Run) -> Model:
    match run.lane:
        case Lane.ROUTE:
            return model._replace(live=run.wanted)
        case Lane.STATUS:
            return model._replace(status=run.wanted)
        case Lane.WORKLOAD:
            return _converged(model, run.wanted)


def _converged(model: Model, intent: WorkloadIntent) -> Model:
    primary = intent.promote if intent.promote == model.target else model.primary
    scales = {CanaryScale.ZERO: 0, CanaryScale.RUNNING: REPLICAS}
    replicas = scales.get(intent.canary, model.replicas)
    return model._replace(primary=primary, replicas=replicas)


def _believed(model: Model, run: Run, rest: tuple[Run, ...]) -> Model:
    """What the run has done counts while its lease and its intent are the newest."""
    after, state = model._replace(runs=rest), model.state
    if state is None or not run.is_holder:
        return after
    match run.lane:
        case Lane.ROUTE if run.seq == state.route.seq:
            is_first = model.route_seq < run.seq
            at = NOW if is_first else model.route_at
            return after._replace(route_seq=run.seq, route_at=at)
        case Lane.WORKLOAD if run.seq == state.workload.seq:
            promote = run.wanted.promote
            is_done = not promote or model.primary == promote
            return after._replace(workload_seq=run.seq) if is_done else after
        case Lane.STATUS if (
            run.seq == model.version and run.wanted.weight == state.route.split.canary
        ):
            return after._replace(status_version=run.seq)
    return after


def lost(model: Model) -> Model:
    """Redis holds nothing any more; whoever was at work has no lease.

    Of a failure that was not shown yet, nobody knows any more.
    """
    is_shown = model.status.phase == Phase.FAILED
    failed = model.failed & {model.status.applied} if is_shown else frozenset()
    model = model._replace(failed=failed)
    runs = tuple(run._replace(is_holder=False) for run in model.runs)
    blank = model._replace(state=None, version=0, route_seq=0, route_at=None, workload_seq=0)
    return blank._replace(status_version=0, runs=runs, losses=model.losses - 1)


def aged(model: Model) -> Model:
    """As `model`, `WAIT` later: whoever was at work has no lease any more, and made no call."""
    state = model.state
    if state is not None:
        state = replace(
            state,
            since=_older(state.since),
            check_at=state.check_at and _older(state.check_at),
            intended_at=state.intended_at and _older(state.intended_at),
            round=state.round and replace(state.round, asked=_older(state.round.asked)),
            unsure_until=None,
        )
    route_at = model.route_at and _older(model.route_at)
    return model._replace(state=state, route_at=route_at, runs=())


def _older(moment: datetime) -> datetime:
    return max(moment - WAIT, NOW - LONGEST)


# -- equality -------------------------------------------------------------------------------------


def _ranks_in(model: Model) -> Mapping[Lane, Mapping[int, int]]:
    """What the numbers of each lane are in the normal form; those of STATUS are versions."""
    state, holders = model.state, [run for run in model.runs if run.is_holder]
    wanted = (state.route.seq, state.workload.seq) if state else (None, None)
    shown = [run.wanted.version for run in model.runs if run.lane is Lane.STATUS]
    return {
        Lane.ROUTE: _ranks(model.route_seq, *_seqs(holders, Lane.ROUTE), wanted[0]),
        Lane.WORKLOAD: _ranks(model.workload_seq, *_seqs(holders, Lane.WORKLOAD), wanted[1]),
        Lane.STATUS: _ranks(0, model.status.version, model.version, model.status_version, *shown),
    }


def _with(value: V, **fields: Any) -> V:
    """As `replace`, and `value` itself where that changes nothing: most steps change little."""
    is_changed = any(getattr(value, name) != field for name, field in fields.items())
    return replace(value, **fields) if is_changed else value


def _order(run: Run) -> tuple[str, int, bool]:
    return run.lane, run.seq, run.has_written


def _seqs(runs: Sequence[Run], lane: Lane) -> Iterator[int]:
    return (run.seq for run in runs if run.lane is lane)


def _ranks(*numbers: int | None) -> Mapping[int, int]:
    distinct = sorted({number for number in numbers if number is not None})
    return {number: rank for rank, number in enumerate(distinct)}


def _plain_run(run: Run, ranks: Mapping[int, int], versions: Mapping[int, int]) -> Run:
    if run.lane is Lane.STATUS:
        wanted = _with(run.wanted, version=versions[run.wanted.version])
        return run._replace(seq=wanted.version, wanted=wanted)
    return run._replace(seq=ranks[run.seq] if run.is_holder else -1)


def plain_state(state: RolloutState, route: int, workload: int) -> RolloutState:
    """`state` with these numbers of its intents, and without what only words need."""
    return _with(
        state,
        route=_with(state.route, seq=route),
        workload=_with(state.workload, seq=workload),
        round=state.round and _with(state.round, id=0, repeats=0),
        waiting=None,
        trouble=None,
        acceptance=None,
        failure="",
    )


def _confirmed(model: Model) -> Confirmed:
    return Confirmed(
        route_seq=model.route_seq,
        route_at=model.route_at,
        workload_seq=model.workload_seq,
        status_version=model.status_version,
        uid="u1",
    )


def _shown(state: RolloutState, version: int) -> PastStatus:
    return PastStatus(
        phase=shown(state.phase),
        weight=state.route.split.canary,
        failed_checks=state.failed_checks,
        iterations=state.iterations,
        applied=state.applied,
        promoted=state.promoted,
        version=version,
    )
