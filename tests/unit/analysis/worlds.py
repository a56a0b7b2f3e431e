"""Builders of what rules look at, each with defaults that make a healthy canary."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analysis import hooks, verdicts
from analysis.findings import CheckResult, Findings, HookResult
from analysis.observation import Observation, Workload
from analysis.phases import Phase
from analysis.state import HookRound, RolloutState
from analysis.strategies import STRATEGIES
from analysis.verdicts import Effect, Verdict
from analysis.waiting import Waiting, WaitReason
from clients.documents.confirmed import Confirmed
from config.api.canary import Canary
from config.api.hooks import WebhookType
from config.readiness import READY, Readiness
from config.refs import CanaryRef
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from config.validation.manifests import load_canary
from config.validation.problems import Problem, ProblemReason

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REF: Final = CanaryRef("shop", "cart")
INTERVAL: Final = timedelta(seconds=30)
OLD: Final = "a" * 20
NEW: Final = "b" * 20
NEWER: Final = "c" * 20


def a_problem(message: str, *, blocking: bool = True) -> Problem:
    """A problem of a manifest that is invalid, or of one that is carried out in part."""
    reason = ProblemReason.INVALID_SPEC if blocking else ProblemReason.NOT_CARRIED_OUT
    return Problem(message=message, reason=reason, blocking=blocking)


def a_manifest(*, spec: Mapping[str, Any] | None = None, **analysis: Any) -> dict[str, Any]:
    """A Canary manifest: cart.shop, step 20 up to 60, every 30 s, three strikes."""
    strategy: dict[str, Any] = {} if "stepWeights" in analysis else {"stepWeight": 20}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "cart", "namespace": "shop", "uid": "u1", "generation": 1},
        "spec": {
            "provider": "istio",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart-app"},
            "service": {"port": 80},
            "analysis": {
                "interval": "30s",
                "threshold": 3,
                "maxWeight": 60,
                **strategy,
                "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}}],
                **analysis,
            },
            **(spec or {}),
        },
    }


def a_canary(*, spec: Mapping[str, Any] | None = None, **analysis: Any) -> Canary:
    """The canary of `a_manifest`."""
    return load_canary(a_manifest(spec=spec, **analysis))


def iterating(number: int = 3, **analysis: Any) -> Canary:
    """A canary that iterates: by blue/green or, with `match`, by A/B testing."""
    manifest = a_manifest(iterations=number, **analysis)
    fields = manifest["spec"]["analysis"]
    del fields["stepWeight"], fields["maxWeight"]
    return load_canary(manifest)


def a_workload(revision: str = OLD, replicas: int = 2, **changes: Any) -> Workload:
    """A ready workload; one that is not ready has no available pods unless it is said to."""
    ready = changes.get("readiness", READY).ready
    workload = Workload(revision, 1, replicas, replicas if ready else 0, READY)
    return replace(workload, **changes)


def unready(*, retriable: bool = True) -> Readiness:
    """A workload that waits for its pods, or has waited too long."""
    return Readiness(ready=False, retriable=retriable, message="waiting for rollout to finish: x")


def a_state(
    phase: Phase, weight: int = 0, canary: CanaryScale = CanaryScale.ZERO, **changes: Any
) -> RolloutState:
    """A state with everything confirmed by `seen`: route seq 5, workload seq 5."""
    state = RolloutState(
        uid="u1",
        phase=phase,
        since=NOW - timedelta(minutes=5),
        generation=1,
        applied=OLD,
        promoted=OLD,
        route=RouteIntent(5, RouteStage.EXPOSED, TrafficSplit.of(weight)),
        workload=WorkloadIntent(5, canary, base=OLD),
    )
    return replace(state, **changes)


def progressing(weight: int, **changes: Any) -> RolloutState:
    """A rollout of `NEW` at `weight` whose check is due now."""
    defaults: dict[str, Any] = {"applied": NEW, "check_at": NOW if weight else None}
    return a_state(Phase.PROGRESSING, weight, CanaryScale.RUNNING, **{**defaults, **changes})


def a_wait(
    message: str = "x", reason: WaitReason = WaitReason.PRIMARY_NOT_READY, seconds_ago: float = 60
) -> Waiting:
    """A wait that was told so long ago, once."""
    at = NOW - timedelta(seconds=seconds_ago)
    return Waiting(reason, message, at, at, at)


def seen(state: RolloutState | None, canary: Canary | None = None, **changes: Any) -> Observation:
    """`state` of a healthy canary with all effects confirmed; the target holds `NEW`."""
    canary = canary or a_canary()
    observation = Observation(
        now=NOW,
        ref=REF,
        uid="u1",
        generation=1,
        canary=canary,
        strategy=STRATEGIES.chosen(canary),
        interval=INTERVAL,
        threshold=3,
        version=10,
        state=state,
        confirmed=Confirmed(
            route_seq=5, route_at=NOW - INTERVAL, workload_seq=5, status_version=10
        ),
        target=a_workload(NEW),
        primary=a_workload(OLD),
        in_force=state.route.split if state else None,
    )
    return replace(observation, **changes)


def a_check(effect: Effect = Effect.PASSES, message: str = "") -> CheckResult:
    """A judged check."""
    judged = {
        Effect.PASSES: (Verdict.PASSED, verdicts.Reason.WITHIN_BOUNDS, 99.9),
        Effect.COUNTS: (Verdict.FAILED, verdicts.Reason.BELOW_MINIMUM, 95.0),
        Effect.HOLDS: (Verdict.NO_DATA, verdicts.Reason.NO_VALUES, None),
    }
    verdict, reason, value = judged[effect]
    return CheckResult("request-success-rate", verdict, effect, value, message, reason)


PASSED: Final = Findings(checks=(a_check(),))
FAILED: Final = Findings(checks=(a_check(Effect.COUNTS, "Halt cart.shop advancement bad"),))
HELD: Final = Findings(checks=(a_check(Effect.HOLDS, "Halt advancement no values"),))


def hooked(kind: str, *oks: bool) -> Findings:
    """The answers of as many hooks of `kind`, named h0, h1 and so on."""
    asked = WebhookType(kind)
    results = tuple(
        HookResult(f"h{index}", asked, ok=ok, message="" if ok else "no")
        for index, ok in enumerate(oks)
    )
    return Findings(hooks={asked: results})


def a_round(kind: str, seconds: float = 20, number: int = 10) -> HookRound:
    """Hooks of `kind` asked in version `number`, to be asked again in `seconds`."""
    asked = WebhookType(kind)
    return HookRound(number, asked, NOW + timedelta(seconds=seconds) - hooks.CALL_LEASE)
