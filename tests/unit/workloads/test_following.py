"""Converging with an autoscaler: the twin follows its source, and replicas are left to both.

Over an API server in this process; tests/contract/test_autoscalers.py has the real one.
"""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from clients import errors
from clients.clock import ManualClock
from clients.documents.outcome import Applied, Outcome, Rejected
from clients.documents.world import World
from clients.kube import resources
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube
from tests.unit.workloads.autoscalers import (
    HPA_REF,
    KEDA_REF,
    PAUSED,
    a_scaled_object,
    an_hpa,
    scaled,
)
from tests.unit.workloads.deployments import COPYING, KEYS, UID, a_target, a_template
from workloads import deployment, scalers
from workloads.converge import Convergence
from workloads.scalers.scaler import projected
from workloads.tracker_configs import Configs

LEAVE, RUNNING, ZERO = CanaryScale.LEAVE, CanaryScale.RUNNING, CanaryScale.ZERO
HPA, KEDA = resources.HORIZONTAL_POD_AUTOSCALERS, resources.SCALED_OBJECTS
QUERY: Final = "sum(rate(http_requests_total{app='podinfo'}[30s]))"


class Cluster:
    """A namespace with a target and its autoscaler, and a watch that is up to date."""

    def __init__(self, canary: Canary, source: dict[str, Any] | None) -> None:
        self.kube = FakeKube(ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))
        self.canary = canary
        kind = scalers.of(canary)
        assert kind is not None
        self.kind = kind
        identity = {"name": "podinfo", "namespace": "test", "uid": UID}
        owner = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": identity}
        self.kube.restore(resources.CANARIES, owner)
        self.kube.create(resources.DEPLOYMENTS, "test", a_target())
        if source:
            self.kube.create(self.kind.resource, "test", source)

    def raw(self, resource: Any, name: str) -> Any:
        """An object as it is, None when there is none; looking here is no call."""
        try:
            return self.kube.get(resource, "test", name)
        except errors.NotFound:
            return None
        finally:
            self.kube.calls.pop()

    def scaler(self, name: str) -> Any:
        """What a watch keeps of an autoscaler."""
        raw = self.raw(self.kind.resource, name)
        return projected(raw) if raw else None

    def world(self) -> World:
        """What an up-to-date watch shows."""
        target = self.raw(resources.DEPLOYMENTS, "podinfo")
        primary = self.raw(resources.DEPLOYMENTS, "podinfo-primary")
        name = self.canary.spec.autoscaler_ref.name  # type: ignore[union-attr]
        twin = self.scaler(f"{name}-primary")
        return World(
            target=deployment.project(target, KEYS),
            primary=deployment.project(primary, KEYS) if primary else None,
            scaler=self.scaler(name),
            twin=twin,
        )

    def converge(
        self, scale: CanaryScale, world: World | None = None, **intent: Any
    ) -> tuple[Outcome, list[str]]:
        """The outcome, and the calls it took."""
        world = world or self.world()
        self.kube.calls.clear()
        wanted = WorkloadIntent(1, scale, **intent)
        configs = Configs.of(self.kube, self.canary, bytes, world)
        one = Convergence(self.kube, self.canary, wanted, world, lambda: False, COPYING, configs)
        outcome = one.bring_about()
        return outcome, [f"{call.verb} {call.resource} {call.name}" for call in self.kube.calls]

    def replicas(self, name: str = "podinfo") -> int:
        """The replicas asked for of a Deployment."""
        return int(self.raw(resources.DEPLOYMENTS, name)["spec"]["replicas"])

    def edit(self, resource: Any, name: str, patch: dict[str, Any]) -> None:
        """Somebody's change."""
        self.kube.patch(resource, "test", name, patch)
        self.kube.calls.pop()

    def release(self, image: str) -> str:
        """The revision of the target, now with another image."""
        self.edit(resources.DEPLOYMENTS, "podinfo", {"spec": {"template": a_template(image)}})
        raw = self.raw(resources.DEPLOYMENTS, "podinfo")
        return deployment.project(raw, KEYS).revision


@pytest.fixture
def with_hpa() -> Cluster:
    """A target with a HorizontalPodAutoscaler of two to four replicas, its primary serving."""
    cluster = Cluster(scaled(HPA_REF), an_hpa())
    cluster.converge(LEAVE)
    return cluster


@pytest.fixture
def with_keda() -> Cluster:
    """The same with a ScaledObject."""
    cluster = Cluster(scaled(KEDA_REF), a_scaled_object((QUERY,)))
    cluster.converge(LEAVE)
    return cluster


def test_the_twin_is_made_with_one_call_after_the_primary() -> None:
    """16.1: created if missing. From then on nothing is called as long as nothing changes."""
    cluster = Cluster(scaled(HPA_REF), an_hpa())
    outcome, calls = cluster.converge(LEAVE)
    assert calls[-1] == "create horizontalpodautoscalers podinfo-primary"
    assert len(calls) == len(["read", "create the primary", "create the twin"])
    assert isinstance(outcome, Applied)
    assert outcome.written["twin"] == cluster.scaler("podinfo-primary")
    assert cluster.raw(HPA, "podinfo-primary")["spec"]["scaleTargetRef"]["name"] == (
        "podinfo-primary"
    )
    assert cluster.converge(LEAVE) == (Applied(), [])


def test_an_edited_source_is_followed_at_once(with_hpa: Cluster) -> None:
    """Flagger waits for the next release (D-71): more load does not."""
    with_hpa.edit(HPA, "podinfo", {"spec": {"maxReplicas": 40, "behavior": None}})
    outcome, calls = with_hpa.converge(LEAVE)
    assert calls == [
        "get horizontalpodautoscalers podinfo-primary",
        "patch horizontalpodautoscalers podinfo-primary",
    ]
    assert isinstance(outcome, Applied)
    wanted = with_hpa.raw(HPA, "podinfo")["spec"]
    live = with_hpa.raw(HPA, "podinfo-primary")["spec"]
    assert {**live, "scaleTargetRef": None} == {**wanted, "scaleTargetRef": None}
    assert with_hpa.converge(LEAVE) == (Applied(), [])


def test_an_edited_twin_is_brought_back(with_hpa: Cluster) -> None:
    """D-71; labels that others have put on it stay."""
    metadata = {"labels": {"own": "1"}}
    with_hpa.edit(HPA, "podinfo-primary", {"metadata": metadata, "spec": {"maxReplicas": 99}})
    assert with_hpa.converge(LEAVE)[1] != []
    raw = with_hpa.raw(HPA, "podinfo-primary")
    assert raw["spec"]["maxReplicas"] == 4
    assert raw["metadata"]["labels"] == {"own": "1", "team": "web"}


def test_a_twin_that_the_watch_has_not_shown_yet_is_not_made_twice(with_hpa: Cluster) -> None:
    """The answer of an earlier run was lost."""
    before = with_hpa.raw(HPA, "podinfo-primary")
    world = with_hpa.world()
    unseen = World(target=world.target, primary=world.primary, scaler=world.scaler)
    outcome, _ = with_hpa.converge(LEAVE, unseen)
    assert outcome == Applied(observed={"twin": world.twin})  # type: ignore[dict-item]
    assert with_hpa.raw(HPA, "podinfo-primary") == before


def test_a_twin_that_somebody_edits_under_our_write_is_computed_anew(with_hpa: Cluster) -> None:
    """The write holds for the version that it was computed from."""
    with_hpa.edit(HPA, "podinfo", {"spec": {"maxReplicas": 40}})
    edited = {"spec": {"minReplicas": 1}}

    def edit() -> None:
        with_hpa.edit(HPA, "podinfo-primary", edited)

    with_hpa.kube.faults.add(Fault(edit, verb="patch", resource=HPA.plural))
    outcome, calls = with_hpa.converge(LEAVE)
    assert isinstance(outcome, Applied)
    assert [call.split()[0] for call in calls] == ["get", "patch", "get", "patch"]
    assert with_hpa.raw(HPA, "podinfo-primary")["spec"]["minReplicas"] == 2


def test_a_missing_source_keeps_the_twin_and_stops_nothing(with_hpa: Cluster) -> None:
    """The last good bounds go on; what is waited for is told by admission."""
    twin = with_hpa.raw(HPA, "podinfo-primary")
    with_hpa.kube.delete(HPA, "test", "podinfo")
    assert isinstance(with_hpa.converge(ZERO)[0], Applied)
    assert with_hpa.replicas() == 0
    assert with_hpa.raw(HPA, "podinfo-primary") == twin


def test_a_twin_that_is_refused_keeps_no_rollout_waiting(with_hpa: Cluster) -> None:
    """It is told, and tried again; the scale is as intended all the same."""
    with_hpa.edit(HPA, "podinfo", {"spec": {"maxReplicas": 40}})
    refusal = errors.Permanent("forbidden", status=403, reason="Forbidden")
    with_hpa.kube.faults.add(Fault(refusal, verb="patch", resource=HPA.plural))
    outcome, _ = with_hpa.converge(ZERO)
    assert isinstance(outcome, Rejected)
    assert outcome.in_force
    assert outcome.message == (
        "updating HorizontalPodAutoscaler podinfo-primary.test failed: forbidden"
    )
    assert with_hpa.replicas() == 0


def test_a_stranger_s_autoscaler_is_not_overwritten() -> None:
    """D-79."""
    cluster = Cluster(scaled(HPA_REF), an_hpa())
    stranger = an_hpa(scaleTargetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "db"})
    stranger["metadata"] = {"name": "podinfo-primary", "namespace": "test"}
    cluster.kube.create(HPA, "test", stranger)
    before = cluster.raw(HPA, "podinfo-primary")
    outcome, _ = cluster.converge(LEAVE)
    assert isinstance(outcome, Rejected)
    assert "is not the autoscaler of the primary of canary podinfo.test" in outcome.message
    assert cluster.raw(HPA, "podinfo-primary") == before


# --- replicas


def test_a_canary_begins_with_what_its_autoscaler_asks_for(with_hpa: Cluster) -> None:
    """7: HPA minReplicas, though the primary runs more; from then on the number is the HPA's."""
    with_hpa.converge(ZERO)
    with_hpa.edit(resources.DEPLOYMENTS, "podinfo-primary", {"spec": {"replicas": 9}})
    with_hpa.converge(RUNNING)
    assert with_hpa.replicas() == 2
    with_hpa.edit(resources.DEPLOYMENTS, "podinfo", {"spec": {"replicas": 4}})
    assert with_hpa.converge(RUNNING) == (Applied(), [])


def test_a_promotion_leaves_the_primary_s_replicas_to_its_autoscaler(with_hpa: Cluster) -> None:
    """11: replicas only without autoscalerRef."""
    with_hpa.edit(resources.DEPLOYMENTS, "podinfo-primary", {"spec": {"replicas": 9}})
    new = with_hpa.release("podinfo:2")
    outcome, _ = with_hpa.converge(RUNNING, promote=new)
    assert isinstance(outcome, Applied)
    assert with_hpa.replicas("podinfo-primary") == 9


# --- pausing


def test_a_scaled_object_is_paused_before_its_target_is_scaled_to_zero(with_keda: Cluster) -> None:
    """16.2: else KEDA would scale it up again. An HPA leaves a target without replicas alone."""
    _, calls = with_keda.converge(ZERO)
    assert calls == [
        "get scaledobjects podinfo-so",
        "patch scaledobjects podinfo-so",
        "patch deployments podinfo",
    ]
    source = with_keda.raw(KEDA, "podinfo-so")
    assert source["metadata"]["annotations"] == {PAUSED: "0"}
    assert with_keda.converge(ZERO) == (Applied(), [])


def test_a_pause_changes_nothing_else_of_a_user_s_object(with_keda: Cluster) -> None:
    """D-53: fields that no library knows stay."""
    with_keda.edit(KEDA, "podinfo-so", {"spec": {"novelty": {"deep": [1, 2]}}})
    before = with_keda.raw(KEDA, "podinfo-so")
    with_keda.converge(ZERO)
    with_keda.converge(RUNNING)
    after = with_keda.raw(KEDA, "podinfo-so")
    assert after["spec"] == before["spec"]
    assert after["metadata"].get("annotations") in (None, {})


def test_a_scaled_object_is_resumed_before_its_target_is_scaled_up(with_keda: Cluster) -> None:
    """A paused one would pin the canary to no pods."""
    with_keda.converge(ZERO)
    _, calls = with_keda.converge(RUNNING)
    assert calls == [
        "get scaledobjects podinfo-so",
        "patch scaledobjects podinfo-so",
        "patch deployments podinfo",
    ]
    assert PAUSED not in (with_keda.raw(KEDA, "podinfo-so")["metadata"].get("annotations") or {})
    assert with_keda.replicas() == 1


def test_the_twin_of_a_paused_source_is_not_paused(with_keda: Cluster) -> None:
    """D-12: made anew while its source is paused, it would pin the live primary to no pods."""
    with_keda.converge(ZERO)
    with_keda.kube.delete(KEDA, "test", "podinfo-so-primary")
    with_keda.converge(ZERO)
    twin = with_keda.raw(KEDA, "podinfo-so-primary")
    assert PAUSED not in (twin["metadata"].get("annotations") or {})


def test_an_autoscaler_that_cannot_be_read_is_told_in_flaggers_words(
    with_hpa: Cluster, with_keda: Cluster
) -> None:
    """23, "autoscaler": a twin that is to follow its source, and a source that is to be paused."""
    with_hpa.edit(HPA, "podinfo", {"spec": {"maxReplicas": 40}})
    for cluster, kind, named in (
        (with_hpa, HPA, "HorizontalPodAutoscaler podinfo-primary.test"),
        (with_keda, KEDA, "Keda ScaledObject podinfo-so.test"),
    ):
        away, world = errors.Transient("timed out"), cluster.world()
        cluster.kube.faults.add(Fault(away, verb="get", resource=kind.plural))
        outcome, _ = cluster.converge(ZERO, world)
        assert isinstance(outcome, Rejected)
        assert outcome.message == f"{named} get query error: timed out"


def test_a_canary_whose_autoscaler_cannot_be_resumed_is_not_scaled_up(with_keda: Cluster) -> None:
    """KEDA would take its pods away at once; what is missing is told, and tried again."""
    with_keda.converge(ZERO)
    away = errors.Transient("timed out")
    with_keda.kube.faults.add(Fault(away, verb="patch", resource=KEDA.plural))
    outcome, _ = with_keda.converge(RUNNING)
    assert isinstance(outcome, Rejected)
    assert outcome.message == "updating ScaledObject podinfo-so.test failed: timed out"
    assert not outcome.in_force
    assert with_keda.replicas() == 0
