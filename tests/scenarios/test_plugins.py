"""What a distribution beside the packages would add, and rollouts that run through it.

A router, a metric backend, a channel, and two strategies that the packages do not have, are defined
here and nowhere else: no file of the packages knows of them. They are handed to the composition
root as registries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

import pytest

from analysis import events
from analysis.backends import BACKENDS, Access, Endpoint
from analysis.findings import Absent, Measurement, Sample
from analysis.phases import Phase
from analysis.state import RolloutState
from analysis.strategies import STRATEGIES, Step, Strategies
from analysis.verdicts import Reason, Verdict
from clients import errors
from clients.documents.notice import Notice
from clients.kube import resources
from clients.kube.protocol import Kube, Object
from clients.kube.resources import Resource
from config import names
from config.api.canary import Canary
from config.api.hooks import AlertSeverity
from config.derived import StrategyKind
from config.refs import CanaryRef
from config.settings.settings import Settings
from config.traffic import (
    ALL_TO_CANARY,
    ALL_TO_PRIMARY,
    Aspect,
    Comparison,
    Criterion,
    Feature,
    Mirror,
    TrafficSplit,
)
from notify import CHANNELS
from routing import metadata
from routing.registry import ROUTERS, Routers
from routing.router import Live, Managed, TargetFacts, UnreadableRoute, refuse_beyond
from tasks.registries import Registries
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, ENDING, FAILED, LONG
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

INGRESSES: Final = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
INGRESS: Final = "edge-ingress"
WEIGHT: Final = "edge.example.com/canary-weight"
HEADER: Final = "edge.example.com/canary-header"
MIRROR: Final = "edge.example.com/mirror"


class Edge:
    """A router of an ingress controller that reads annotations: a weight, a header, a mirror."""

    name = "osm"
    carrier: str | None = INGRESS
    features = frozenset({Feature.MATCH, Feature.MIRROR})
    options: frozenset[str] = frozenset()
    writes: ClassVar[Mapping[str, Resource]] = {INGRESS: INGRESSES}

    def resources(self, canary: Canary) -> tuple[Managed, ...]:
        """One Ingress."""
        return (Managed(INGRESS, INGRESSES, names.apex_name(canary)),)

    def render(
        self,
        managed: Managed,
        canary: Canary,
        target: TargetFacts | None,  # noqa: ARG002 - nothing of the target is shown
        split: TrafficSplit,
        live: Live,
    ) -> Object:
        """The Ingress with its annotations; see `Router.render`."""
        name = names.apex_name(canary)
        refuse_beyond(self.features, split, f"Ingress {name}")
        says = {WEIGHT: str(split.canary)}
        if split.match:
            ((criterion,),) = split.match
            says[HEADER] = f"{criterion.name}={criterion.text}"
        if split.mirror:
            says[MIRROR] = str(split.mirror.percent or 100)
        port = {"number": canary.spec.service.port}
        backend = {"service": {"name": names.primary_service(canary), "port": port}}
        marks = metadata.Marks({}, says)
        present = live.get(INGRESS)
        if present is not None:
            kept = metadata.with_marks(present["metadata"], marks)
            return {**present, "metadata": kept}
        spec = {"defaultBackend": backend}
        return metadata.new_object(canary, managed, marks, spec)

    def released(self, canary: Canary, live: Object, *, is_ours: bool) -> Object | None:  # noqa: ARG002
        """None: its objects go with the canary, or are what they were."""
        return None

    def parse(self, canary: Canary, live: Live) -> TrafficSplit | None:
        """What the annotations say; see `Router.parse`."""
        present = live.get(INGRESS)
        if present is None:
            return None
        says = present["metadata"].get("annotations") or {}
        if WEIGHT not in says:
            raise UnreadableRoute(f"Ingress {names.apex_name(canary)} has no weight")
        split = TrafficSplit.of(int(says[WEIGHT]))
        if HEADER in says:
            split = replace(split, match=(a_header(says[HEADER]),))
        if MIRROR in says:
            split = replace(split, mirror=Mirror(int(says[MIRROR])))
        return split


def a_header(text: str) -> tuple[Criterion, ...]:
    """The requests whose header is as `name=value` says."""
    name, _, value = text.partition("=")
    return (Criterion(Aspect.HEADER, name, Comparison.EXACT, value),)


@dataclass(frozen=True, slots=True)
class Iterations:
    """What strategies by iterations share: `iterations` checks with the same traffic."""

    kind: ClassVar[StrategyKind]
    features: ClassVar[frozenset[Feature]]
    confirms_increase: ClassVar[bool] = False

    def has_begun(self, state: RolloutState) -> bool:
        """Whether the first iteration is under way, with traffic or without."""
        return state.iterations > 0

    def resume(self, canary: Canary, state: RolloutState, live: TrafficSplit) -> Step:  # noqa: ARG002
        """The iterations that were reported, with the traffic that there is."""
        return Step(live, state.iterations)

    def iteration(self, canary: Canary, state: RolloutState, split: TrafficSplit) -> Step:
        """One iteration more."""
        number, total = state.iterations + 1, canary.spec.analysis.iterations
        told = f"Advance {canary.name}.{canary.namespace} canary iteration {number}/{total}"
        return Step(split, number, (events.normal(told),))


@dataclass(frozen=True, slots=True)
class Mirrored(Iterations):
    """Copies of the requests first, for some iterations; then everybody, for one interval."""

    kind = StrategyKind.BLUE_GREEN
    features = frozenset({Feature.MIRROR})

    def next_step(self, canary: Canary, state: RolloutState) -> Step | None:
        """See `Strategy.next_step`."""
        if state.iterations < canary.spec.analysis.iterations:
            return self.iteration(canary, state, TrafficSplit(100, 0, mirror=Mirror(50)))
        if state.route.split == ALL_TO_CANARY:
            return None
        told = events.normal("Routing all traffic to canary")
        return Step(ALL_TO_CANARY, state.iterations, (told,))


@dataclass(frozen=True, slots=True)
class Insiders(Iterations):
    """Some users get the canary, for some iterations."""

    kind = StrategyKind.AB_TESTING
    features = frozenset({Feature.MATCH})

    def next_step(self, canary: Canary, state: RolloutState) -> Step | None:
        """See `Strategy.next_step`."""
        if state.iterations >= canary.spec.analysis.iterations:
            return None
        return self.iteration(canary, state, FOR_INSIDERS)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A metric backend that knows one number; its queries are the names of columns."""

    endpoint: Endpoint

    def query(self, query: str) -> Measurement:
        """99.9 for the column that is named after the address, nothing for any other."""
        if query == self.endpoint.address.rpartition("/")[2]:
            return Sample(99.9)
        return Absent(Verdict.NO_DATA, Reason.NO_VALUES, f"no column {query}")

    def online(self) -> Absent | None:
        """None: it is always there."""
        return None


def a_ledger(endpoint: Endpoint, access: Access) -> Ledger:
    """The factory of the backend; it needs no credentials."""
    del access
    return Ledger(endpoint)


FOR_INSIDERS: Final = TrafficSplit(0, 100, match=(a_header("x-user=insider"),))
COPIES: Final = TrafficSplit(100, 0, mirror=Mirror(50))


@dataclass
class Pager:
    """A channel that keeps what it is told."""

    name: ClassVar[str] = "pager"
    told: list[Notice] = field(default_factory=list)

    def deliver(self, ref: CanaryRef, notice: Notice, kube: Kube) -> None:
        """Keeps it."""
        assert (ref, kube is not None) == (REF, True)
        self.told.append(notice)


PAGER: Final = Pager()
PLUGINS: Final = Registries(
    routers=Routers({**ROUTERS.by_name, "osm": Edge()}),
    strategies=Strategies(
        {
            **STRATEGIES.by_kind,
            StrategyKind.BLUE_GREEN: Mirrored(),
            StrategyKind.AB_TESTING: Insiders(),
        }
    ),
    backends={**BACKENDS, "ledger": a_ledger},
    channels=(*CHANNELS, PAGER),
)
OPERATORS: Final = {
    "COALMINE_METRICS_BACKEND": "ledger",
    "COALMINE_METRICS_SERVER": "http://ledger/orders",
}
QUERY: Final = [{"name": "orders", "query": "orders", "thresholdRange": {"min": 99}}]
MATCH: Final = [{"headers": {"x-user": {"exact": "insider"}}}]
ITERATIONS: Final = [f"Advance cart.shop canary iteration {number}/3" for number in (1, 2, 3)]


def a_plan(**analysis: Any) -> dict[str, Any]:
    """The manifest of a canary with these fields in its analysis; None leaves one out."""
    body = a_manifest(spec={"provider": "osm"}, metrics=QUERY, **analysis)
    fields = body["spec"]["analysis"]
    body["spec"]["analysis"] = {key: value for key, value in fields.items() if value is not None}
    return body


def mirrored() -> dict[str, Any]:
    """A canary for the strategy `Mirrored`."""
    return a_plan(iterations=3, mirror=True, stepWeight=None, maxWeight=None)


def for_insiders() -> dict[str, Any]:
    """A canary for the strategy `Insiders`."""
    return a_plan(iterations=3, match=MATCH, stepWeight=None, maxWeight=None)


def a_release(manifest: Mapping[str, Any]) -> Stage:
    """A stage with the plug-ins on which a release was just made."""
    stage = initialized(manifest, Stage(registries=PLUGINS))
    stage.release("cart:2")
    return stage


def annotations(stage: Stage) -> Mapping[str, str]:
    """What the Ingress says."""
    live = stage.kube.get(INGRESSES, REF.namespace, "cart-app")
    says: Mapping[str, str] = live["metadata"]["annotations"]
    return says


def test_weights_move_on_a_router_of_another_distribution() -> None:
    """Watched, written, read back and confirmed like any other; nothing of Istio is made."""
    stage = a_release(a_plan())
    assert annotations(stage) == {WEIGHT: "0"}
    splits = rollouts.followed(stage)

    rollouts.succeeded(rollouts.finish(stage))
    assert [split.canary for split in splits] == [0, 20, 40, 60, 0]
    assert rollouts.told(stage) == [*BEGINNING, *rollouts.advance(20, 40, 60), *ENDING]
    assert not stage.kube.list(resources.VIRTUAL_SERVICES).items


def test_its_objects_are_mended_when_somebody_edits_them() -> None:
    """Drift of the new kind is noticed by watching."""
    stage = initialized(a_plan(), Stage(registries=PLUGINS))
    edit = {"metadata": {"annotations": {WEIGHT: "90"}}}
    stage.kube.patch(INGRESSES, REF.namespace, "cart-app", edit)
    assert stage.split == TrafficSplit.of(90)
    stage.settle()
    assert stage.split == ALL_TO_PRIMARY


def test_a_strategy_without_weights_begins_judges_and_promotes() -> None:
    """Copies for three checked intervals, everybody for one, then the promotion."""
    stage = a_release(mirrored())
    began = stage.clock.now()
    splits = rollouts.followed(stage)
    took = stage.clock.now() - began

    rollouts.succeeded(rollouts.finish(stage))
    assert splits == [ALL_TO_PRIMARY, COPIES, ALL_TO_CANARY, ALL_TO_PRIMARY]
    assert rollouts.told(stage) == [
        *BEGINNING,
        *ITERATIONS,
        "Routing all traffic to canary",
        *ENDING,
    ]
    assert len(stage.meters.asked) == 4
    assert 4 * rollouts.INTERVAL <= took <= 4.5 * rollouts.INTERVAL


def test_a_strategy_by_match_sends_nobody_else_to_the_canary() -> None:
    """Its requests alone, as long as the analysis lasts; three checks for three iterations."""
    stage = a_release(for_insiders())
    splits = rollouts.followed(stage)

    rollouts.succeeded(rollouts.finish(stage))
    assert splits == [ALL_TO_PRIMARY, FOR_INSIDERS, ALL_TO_PRIMARY]
    assert rollouts.told(stage) == [*BEGINNING, *ITERATIONS, *ENDING]
    assert len(stage.meters.asked) == 3
    assert annotations(stage) == {WEIGHT: "0"}


@pytest.mark.parametrize("manifest", [mirrored(), for_insiders()], ids=["mirrored", "insiders"])
def test_a_bad_release_is_taken_back_whatever_the_strategy(manifest: dict[str, Any]) -> None:
    """Rollback is no strategy's business: three failed checks, then all to the primary."""
    stage = a_release(manifest)
    stage.meters.source = measuring.failing
    splits = rollouts.followed(stage)
    rollouts.finish(stage)

    rollouts.rolled_back(stage)
    assert splits[0] == splits[-1] == ALL_TO_PRIMARY
    assert len(splits) == 3
    assert len(stage.meters.asked) == 3
    assert rollouts.told(stage)[-1] == FAILED


@pytest.mark.parametrize("manifest", [mirrored(), for_insiders()], ids=["mirrored", "insiders"])
@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_a_strategy_goes_on_from_where_it_was_when_redis_is_emptied(
    manifest: dict[str, Any], iterations: int
) -> None:
    """Rebuilt by the strategy from what status and route say (invariant 7)."""
    stage = a_release(manifest)
    stage.run(lambda on: on.status.get("iterations") == iterations, within=LONG)
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.run(lambda on: bool(on.store.read(REF).state), within=LONG)
    assert (stage.state.phase, stage.state.iterations) == (Phase.PROGRESSING, iterations)
    rollouts.finish(stage)

    rollouts.succeeded(rollouts.finish(stage))
    assert [text for text in rollouts.told(stage) if "iteration" in text] == ITERATIONS


def measured_by_the_ledger(manifest: Mapping[str, Any]) -> Stage:
    """A stage whose checks go to the plug-in's backend, on which a release was just made."""
    settings = Settings.from_environ(OPERATORS)
    stage = Stage(registries=PLUGINS, settings=settings, measuring=True)
    initialized(manifest, stage)
    stage.release("cart:2")
    return stage


def test_a_rollout_runs_through_the_plugins_of_all_seams() -> None:
    """Router, strategy, metric backend and channel of other distributions, in one rollout."""
    PAGER.told.clear()
    stage = measured_by_the_ledger(mirrored())
    splits = rollouts.followed(stage)
    rollouts.finish(stage)

    rollouts.succeeded(rollouts.finish(stage))
    assert splits == [ALL_TO_PRIMARY, COPIES, ALL_TO_CANARY, ALL_TO_PRIMARY]
    assert [notice.message for notice in PAGER.told] == stage.texts()
    assert {notice.severity for notice in PAGER.told} == {AlertSeverity.INFO}
    assert PAGER.told[-1].fields["phase"] == "Succeeded"


def test_what_the_backend_does_not_know_fails_the_release() -> None:
    """No data is what it is for a built-in backend: a failed check, in Flagger's words."""
    PAGER.told.clear()
    manifest = mirrored()
    manifest["spec"]["analysis"]["metrics"] = [{**QUERY[0], "query": "refunds"}]
    stage = measured_by_the_ledger(manifest)
    rollouts.finish(stage)

    rollouts.rolled_back(stage)
    halted = "Halt advancement no values found for metric: orders"
    assert rollouts.told(stage).count(halted) == 3
    assert {notice.severity for notice in PAGER.told} == set(AlertSeverity)


def test_a_backend_that_nobody_installed_ends_the_start() -> None:
    """The message names the setting and the kinds there are."""
    with pytest.raises(errors.Permanent, match=r"metrics-backend: .*'ledger'; allowed: prometheus"):
        Stage(settings=Settings.from_environ(OPERATORS), measuring=True)


def test_what_a_mesh_cannot_say_is_refused_before_anything_is_done() -> None:
    """There is a strategy for it, but the plug-in's router has no cookies: the field is named."""
    stage = Stage(registries=PLUGINS)
    manifest = a_plan(sessionAffinity={"cookieName": "side"})
    with pytest.raises(AssertionError):
        initialized(manifest, stage)
    accepted = stage.condition("Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "NotCarriedOut")
    assert accepted["message"].startswith('spec.analysis.sessionAffinity: "side": is not carried')


def test_without_the_plugins_its_provider_is_refused() -> None:
    """The registries are values of one composition, not of the process."""
    stage = Stage()
    with pytest.raises(AssertionError):
        initialized(mirrored(), stage)
    refused = {
        line.partition(":")[0] for line in stage.condition("Accepted")["message"].split("\n")
    }
    assert refused == {"spec.provider"}
