"""Converging: what it writes, how often, and what it says when it is refused."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from clients import errors
from clients.clock import ManualClock
from clients.documents.outcome import Applied, Outcome, Rejected, Superseded
from clients.documents.world import World
from clients.kube import resources
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube
from tests.outcomes import wrote
from tests.unit.workloads.deployments import COPYING, KEYS, UID, a_canary, a_target, a_template
from workloads import deployment
from workloads.converge import Convergence
from workloads.live import ATTEMPTS
from workloads.tracker_configs import Configs

LEAVE, RUNNING, ZERO = CanaryScale.LEAVE, CanaryScale.RUNNING, CanaryScale.ZERO
TARGET, PRIMARY = "podinfo", "podinfo-primary"
REFUSAL: Final = errors.Permanent("forbidden", status=403, reason="Forbidden")
AWAY: Final = errors.Transient("timed out")


@dataclass
class Cluster:
    """A namespace with the target in it."""

    kube: FakeKube = field(
        default_factory=lambda: FakeKube(ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))
    )
    canary: Canary = field(default_factory=a_canary)

    def __post_init__(self) -> None:
        """Apply the target, and the canary that owns its primary."""
        identity = {"name": "podinfo", "namespace": "test", "uid": UID}
        self.kube.restore(
            resources.CANARIES,
            {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": identity},
        )
        self.kube.create(resources.DEPLOYMENTS, "test", a_target())

    def raw(self, name: str) -> Any:
        """A Deployment as it is; reading it here does not count as a call."""
        raw = self.kube.get(resources.DEPLOYMENTS, "test", name)
        self.kube.calls.pop()
        return raw

    def view(self, name: str) -> Any:
        """The view of a Deployment, None when there is none."""
        try:
            return deployment.project(self.raw(name), KEYS)
        except errors.NotFound:
            self.kube.calls.pop()
            return None

    def views(self, **changes: Any) -> World:
        """What an up-to-date watch shows."""
        seen = {"target": self.view(TARGET), "primary": self.view(PRIMARY)}
        return World(**{**seen, **changes})

    def converge(
        self,
        canary: CanaryScale,
        world: World | None = None,
        stale: Collection[str] = (),
        superseded: Callable[[], bool] = lambda: False,
        **intent: Any,
    ) -> tuple[Outcome, list[str]]:
        """The outcome, and the calls it took."""
        world = world or self.views()
        self.kube.calls.clear()
        wanted = WorkloadIntent(1, canary, **intent)
        one = Convergence(
            self.kube, self.canary, wanted, world, superseded, COPYING, self._configs(world), stale
        )
        return one.bring_about(), [f"{call.verb} {call.name}" for call in self.kube.calls]

    def edit(self, name: str, spec: dict[str, Any], **metadata: Any) -> Callable[[], None]:
        """Somebody's change, to be made at a moment of the test's choosing."""

        def change() -> None:
            patch = {"spec": spec, "metadata": metadata}
            self.kube.patch(resources.DEPLOYMENTS, "test", name, patch)
            self.kube.calls.pop()

        return change

    def release(self, image: str) -> str:
        """The revision of the target, now with another image."""
        self.edit(TARGET, {"template": a_template(image)})()
        return str(self.view(TARGET).revision)

    def fail(self, error: errors.ClientError | Callable[[], None], verb: str, **kind: Any) -> None:
        """Lets calls of `verb` fail."""
        self.kube.faults.add(Fault(error, verb=verb, **kind))

    def _configs(self, world: World) -> Configs:
        return Configs.of(self.kube, self.canary, lambda: bytes(32), world)


@pytest.fixture
def fresh() -> Cluster:
    """A target and no primary."""
    return Cluster()


@pytest.fixture
def parked() -> Cluster:
    """A primary that serves, and a target at zero."""
    cluster = Cluster()
    cluster.converge(LEAVE)
    cluster.converge(ZERO)
    return cluster


def said(outcome: Outcome) -> tuple[str, bool]:
    """The words of a refusal, and whether trying again may help."""
    assert isinstance(outcome, Rejected)
    return outcome.message, outcome.retriable


def image(raw: Any) -> str:
    """The image of a Deployment's only container."""
    return str(raw["spec"]["template"]["spec"]["containers"][0]["image"])


# --- creating


def test_a_primary_is_made_with_two_calls(fresh: Cluster) -> None:
    """One to read what is copied, one to write."""
    result, calls = fresh.converge(LEAVE)
    assert result == Applied({"primary": fresh.view(PRIMARY)})
    assert calls == [f"get {TARGET}", f"create {PRIMARY}"]
    assert fresh.view(PRIMARY).revision == fresh.view(TARGET).revision
    assert fresh.raw(TARGET)["spec"]["replicas"] == 3


def test_what_is_as_intended_takes_no_call(parked: Cluster) -> None:
    """D-51: neither for the primary nor for the scale."""
    revision = parked.view(PRIMARY).revision
    for intent in ({}, {"promote": revision, "base": revision}):
        assert parked.converge(ZERO, **intent) == (Applied(), [])
    assert parked.converge(LEAVE) == (Applied(), [])


def test_a_primary_the_watch_has_not_shown_yet_is_kept(fresh: Cluster) -> None:
    """The answer of an earlier run was lost; what it made is not made twice."""
    fresh.converge(LEAVE)
    before = fresh.raw(PRIMARY)
    result, calls = fresh.converge(LEAVE, fresh.views(primary=None))
    assert result == Applied(observed={"primary": fresh.view(PRIMARY)})
    assert calls == [f"get {TARGET}", f"create {PRIMARY}", f"get {PRIMARY}"]
    assert fresh.raw(PRIMARY) == before


def test_a_primary_found_when_creating_is_promoted_all_the_same(parked: Cluster) -> None:
    """An unseen primary with an older revision is not the one that was asked for."""
    old, new = parked.view(PRIMARY).revision, parked.release("podinfo:2")
    result, _ = parked.converge(RUNNING, parked.views(primary=None), promote=new, base=old)
    assert wrote(result)
    assert parked.view(PRIMARY).revision == new


def test_a_lost_primary_is_made_anew_from_its_own_revision_only(parked: Cluster) -> None:
    """D-6, D-7: what the target holds by now was never analysed."""
    old = parked.view(PRIMARY).revision
    new = parked.release("podinfo:2")
    parked.kube.delete(resources.DEPLOYMENTS, "test", PRIMARY)
    result, calls = parked.converge(RUNNING, base=old)
    assert calls == [f"get {TARGET}"]
    assert said(result) == (
        (
            f"deployment {PRIMARY}.test is gone and cannot be made anew: deployment {TARGET}.test "
            f"holds revision {new}, allowed is {old}"
        ),
        False,
    )
    assert parked.release("podinfo:1") == old
    assert not isinstance(parked.converge(ZERO, base=old)[0], Rejected | Superseded)
    assert parked.view(PRIMARY).revision == old


def test_a_primary_lost_during_promotion_may_have_the_promoted_revision(parked: Cluster) -> None:
    """It was analysed; a third revision was not, and ends the promotion."""
    old, new = parked.view(PRIMARY).revision, parked.release("podinfo:2")
    parked.kube.delete(resources.DEPLOYMENTS, "test", PRIMARY)
    parked.release("podinfo:3")
    result, _ = parked.converge(RUNNING, promote=new, base=old)
    assert isinstance(result, Superseded)
    assert parked.view(PRIMARY) is None
    parked.release("podinfo:2")
    assert not isinstance(parked.converge(RUNNING, promote=new, base=old)[0], Rejected | Superseded)
    assert parked.view(PRIMARY).revision == new


def test_a_stranger_s_deployment_is_neither_adopted_nor_overwritten(fresh: Cluster) -> None:
    """D-79: seen beforehand, found when creating, or appearing under a promotion."""
    template = {**a_template(), "metadata": {"labels": {"app": "db"}}}
    selector = {"matchLabels": {"app": "db"}}
    stranger = a_target(template, metadata={"name": PRIMARY}, selector=selector)
    fresh.kube.create(resources.DEPLOYMENTS, "test", stranger)
    before, new = fresh.raw(PRIMARY), fresh.view(TARGET).revision
    blind = fresh.views(primary=None)
    for views, intent in ((None, {}), (blind, {}), (None, {"promote": new}), (blind, {})):
        result, calls = fresh.converge(RUNNING, views, **intent)
        assert isinstance(result, Rejected)
        assert "is not the primary of canary podinfo.test" in result.message
        assert not [call for call in calls if call.startswith(("replace", "patch"))]
    assert fresh.raw(PRIMARY) == before


# --- promoting


def test_a_promotion_is_one_read_and_one_write(parked: Cluster) -> None:
    """D-9: what is written is what was checked; the target keeps its replicas."""
    new = parked.release("podinfo:2")
    parked.edit(TARGET, {"replicas": 2})()
    result, calls = parked.converge(RUNNING, promote=new)
    assert result == Applied({"primary": parked.view(PRIMARY)})
    assert calls == [f"get {TARGET}", f"patch {PRIMARY}"]
    assert parked.view(PRIMARY).revision == new
    assert parked.raw(PRIMARY)["spec"]["replicas"] == 2


def test_a_repeated_promotion_changes_nothing(parked: Cluster) -> None:
    """Messages come twice, and views late: a refused write and a read show that it is done."""
    stale, new = parked.views(), parked.release("podinfo:2")
    parked.converge(RUNNING, promote=new)
    before = parked.raw(PRIMARY)
    late = parked.views(primary=stale.primary)
    result, calls = parked.converge(RUNNING, late, promote=new)
    assert result == Applied(observed={"primary": parked.view(PRIMARY)})
    assert calls == [f"get {TARGET}", f"patch {PRIMARY}", f"get {PRIMARY}"]
    assert parked.raw(PRIMARY) == before


def test_a_view_older_than_our_last_write_is_not_believed(parked: Cluster) -> None:
    """It shows the wanted revision, but from before we wrote another."""
    first = parked.views()
    old = first.primary.revision if first.primary else ""
    new = parked.release("podinfo:2")
    parked.converge(RUNNING, promote=new)
    parked.release("podinfo:1")
    written = parked.view(PRIMARY).generation
    assert first.primary is not None
    assert first.primary.generation < written
    late = parked.views(primary=first.primary)
    parked.converge(RUNNING, late, {"primary"}, promote=old)
    assert parked.view(PRIMARY).revision == old


def test_an_unseen_write_to_the_primary_is_neither_lost_nor_an_obstacle(parked: Cluster) -> None:
    """D-53: the conflict is answered by reading again; fields that we do not write survive."""
    new = parked.release("podinfo:2")
    parked.fail(parked.edit(PRIMARY, {"paused": True}, finalizers=["a.b/hold"]), "patch")
    result, calls = parked.converge(RUNNING, parked.views(), promote=new)
    assert wrote(result)
    copying = [f"get {TARGET}", f"patch {PRIMARY}"]
    assert calls == [*copying, f"get {PRIMARY}", *copying, f"patch {TARGET}"]
    raw = parked.raw(PRIMARY)
    assert (raw["spec"]["paused"], raw["metadata"]["finalizers"]) == (True, ["a.b/hold"])
    assert parked.view(PRIMARY).revision == new


def test_a_target_that_changes_under_a_promotion_is_not_copied(parked: Cluster) -> None:
    """D-9: also in the last moment; the result shows what the target holds now."""
    old, new = parked.view(PRIMARY).revision, parked.release("podinfo:2")
    views = parked.views()
    parked.fail(parked.edit(TARGET, {"template": a_template("podinfo:3")}), "get")
    result, calls = parked.converge(RUNNING, views, promote=new)
    held = parked.view(TARGET).revision
    assert result == Superseded(
        f"the target holds {held}, analysed was {new}", {}, {"target": parked.view(TARGET)}
    )
    assert calls == [f"get {TARGET}"]
    assert parked.view(PRIMARY).revision == old


def test_a_target_that_changes_during_a_conflict_is_not_copied(parked: Cluster) -> None:
    """Each attempt checks anew."""
    old, new = parked.view(PRIMARY).revision, parked.release("podinfo:2")

    def interfere() -> None:
        parked.edit(PRIMARY, {"paused": True})()
        parked.edit(TARGET, {"template": a_template("podinfo:3")})()

    parked.fail(interfere, "patch")
    result, _ = parked.converge(RUNNING, promote=new)
    assert isinstance(result, Superseded)
    assert parked.view(PRIMARY).revision == old


def test_endless_conflicts_are_given_up_for_now(parked: Cluster) -> None:
    """11: five tries."""
    new = parked.release("podinfo:2")
    parked.fail(errors.Conflict("changed since"), "patch", times=99)
    result, calls = parked.converge(RUNNING, promote=new)
    assert said(result) == (
        f"updating deployment {PRIMARY}.test template spec failed: changed since",
        True,
    )
    assert calls.count(f"patch {PRIMARY}") == ATTEMPTS == 5


# --- scaling


def test_a_target_at_zero_gets_the_primary_s_replicas_in_one_call(parked: Cluster) -> None:
    """7, D-50: nothing is read first."""
    result, calls = parked.converge(RUNNING)
    assert calls == [f"patch {TARGET}"]
    assert parked.raw(TARGET)["spec"]["replicas"] == 3
    assert result == Applied({"target": parked.view(TARGET)})


def test_a_target_at_zero_gets_one_pod_where_the_primary_has_none(parked: Cluster) -> None:
    """7: primary replicas if > 0, else 1."""
    parked.edit(PRIMARY, {"replicas": 0})()
    parked.converge(RUNNING)
    assert parked.raw(TARGET)["spec"]["replicas"] == 1


def test_a_target_that_runs_keeps_its_replicas(parked: Cluster) -> None:
    """7: > 0 is unchanged."""
    parked.edit(TARGET, {"replicas": 7})()
    assert parked.converge(RUNNING) == (Applied(), [])


def test_a_target_is_scaled_to_zero_in_one_call(fresh: Cluster) -> None:
    """13: and a second message does nothing."""
    fresh.converge(LEAVE)
    assert fresh.converge(ZERO)[1] == [f"patch {TARGET}"]
    assert fresh.raw(TARGET)["spec"]["replicas"] == 0
    assert fresh.converge(ZERO) == (Applied(), [])


def test_a_stale_view_of_the_target_is_replaced_by_a_look(parked: Cluster) -> None:
    """It shows zero, from before our own scaling up: a look, and no second write."""
    before = parked.views()
    parked.converge(RUNNING)
    written = parked.view(TARGET).generation
    assert before.target is not None
    assert before.target.generation < written
    stale = parked.views(target=before.target)
    assert parked.converge(RUNNING, stale, {"target"}) == (
        Applied(observed={"target": parked.view(TARGET)}),
        [f"get {TARGET}"],
    )
    assert parked.converge(ZERO, stale, {"target"})[1] == [f"get {TARGET}", f"patch {TARGET}"]


def test_a_target_that_is_gone_is_at_zero_but_not_running(parked: Cluster) -> None:
    """What was not brought about is not confirmed."""
    parked.kube.delete(resources.DEPLOYMENTS, "test", TARGET)
    assert not isinstance(parked.converge(ZERO)[0], Rejected | Superseded)
    result, _ = parked.converge(RUNNING)
    assert isinstance(result, Rejected)
    assert result.message.startswith(f"deployment {TARGET}.test get query error: ")


def test_scaling_leaves_everything_else_alone(parked: Cluster) -> None:
    """D-53: a patch of one number."""
    parked.edit(TARGET, {"futureField": {"a": None, "b": 1}})()
    before = parked.raw(TARGET)
    parked.converge(RUNNING)
    after = parked.raw(TARGET)
    assert {**after["spec"], "replicas": 0} == before["spec"]


# --- errors, in the words of section 23


@pytest.mark.parametrize("error", [REFUSAL, AWAY])
@pytest.mark.parametrize(
    ("verb", "name", "message"),
    [
        ("get", TARGET, "deployment podinfo.test get query error: "),
        (
            "create",
            PRIMARY,
            "createPrimaryDeployment failed: creating deployment podinfo-primary.test failed: ",
        ),
    ],
)
def test_a_refused_creation_is_told(
    fresh: Cluster,
    verb: str,
    name: str,
    message: str,
    error: errors.ClientError,
) -> None:
    """D-16: no error but "not found" and "exists" means anything else than itself."""
    views = fresh.views()
    fresh.fail(error, verb, name=name)
    assert said(fresh.converge(LEAVE, views)[0]) == (message + str(error), error is AWAY)


@pytest.mark.parametrize("error", [REFUSAL, AWAY])
@pytest.mark.parametrize(
    ("verb", "name", "message"),
    [
        ("get", TARGET, "deployment podinfo.test get query error: "),
        ("patch", PRIMARY, "updating deployment podinfo-primary.test template spec failed: "),
    ],
)
def test_a_refused_promotion_is_told(
    parked: Cluster,
    verb: str,
    name: str,
    message: str,
    error: errors.ClientError,
) -> None:
    """11, 23."""
    new, views = parked.release("podinfo:2"), parked.views()
    parked.fail(error, verb, name=name)
    result, _ = parked.converge(RUNNING, views, promote=new)
    assert said(result) == (message + str(error), error is AWAY)


def test_a_refused_scaling_is_told(parked: Cluster) -> None:
    """23: up names the number; down is a patch query error."""
    parked.fail(REFUSAL, "patch")
    assert said(parked.converge(RUNNING)[0]) == (
        "scaling up podinfo.test to 3 failed: forbidden",
        False,
    )
    parked.converge(RUNNING)
    parked.fail(AWAY, "patch")
    assert said(parked.converge(ZERO)[0]) == (
        "deployment podinfo.test patch query error: timed out",
        True,
    )


def test_a_target_without_a_candidate_label_gets_no_primary(fresh: Cluster) -> None:
    """8.5: its pods could not be told from the primary's."""
    fresh.kube.delete(resources.DEPLOYMENTS, "test", TARGET)
    unlabelled = a_target(selector={"matchLabels": {"tier": "web"}})
    fresh.kube.create(resources.DEPLOYMENTS, "test", unlabelled)
    result, calls = fresh.converge(LEAVE)
    assert calls == [f"get {TARGET}"]
    assert said(result) == (
        (
            "getSelectorLabel failed: deployment podinfo.test spec.selector.matchLabels must "
            "contain one of [app name app.kubernetes.io/name]"
        ),
        False,
    )


def test_a_lost_answer_is_made_up_for(fresh: Cluster) -> None:
    """The request was carried out, its answer got lost: the next run finds it done."""
    fresh.fail(AWAY, "create", after=True)
    assert isinstance(fresh.converge(LEAVE)[0], Rejected)
    assert fresh.converge(LEAVE) == (Applied(), [])
    assert fresh.raw(PRIMARY)["metadata"]["ownerReferences"][0]["uid"] == UID
