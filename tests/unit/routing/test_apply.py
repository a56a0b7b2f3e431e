"""The one writer of traffic, on a cluster in memory: order, number of calls, conflicts, refusals.

Left out: what the objects look like (test_services, test_istio*), a real API server (contract).
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from clients import errors
from clients.documents.outcome import Applied, Refusal, Rejected, Superseded
from config import ownership
from config.traffic import (
    ALL_TO_PRIMARY,
    Aspect,
    Comparison,
    Criterion,
    Mirror,
    RouteStage,
    TrafficSplit,
)
from routing import istio, registry
from routing.router import ServiceRole
from tests.outcomes import wrote
from tests.unit.routing.canaries import TARGET, a_canary, virtual_service
from tests.unit.routing.worlds import ROUTES, RULES, World

TEN, TWENTY = TrafficSplit.of(10), TrafficSplit.of(20)
CONFLICT = errors.Conflict("PATCH /x: 409 changed", status=409, reason="Conflict")
FORBIDDEN = errors.Permanent("PATCH /x: 403 no", status=403, reason="Forbidden")
BUSY = errors.Transient(
    "PATCH /x: 429 slow down",
    status=429,
    reason="TooManyRequests",
    retry_after=timedelta(seconds=3),
)


@pytest.fixture
def world() -> World:
    """A canary without any objects yet."""
    return World()


@pytest.fixture
def rolling() -> World:
    """A canary at 10 percent, seen by the watch."""
    world = World()
    world.exposed(TEN)
    return world


def test_before_exposure_only_the_two_private_services_are_created(world: World) -> None:
    """Canary then primary, by creation alone: no reads first."""
    outcome = world.apply(ALL_TO_PRIMARY, stage=RouteStage.SERVICES)
    assert wrote(outcome)
    assert list(outcome.written) == [ServiceRole.CANARY, ServiceRole.PRIMARY]
    assert world.requests() == ["create services/shop-canary", "create services/shop-primary"]


def test_first_exposure_leads_no_request_to_something_that_is_not_there(world: World) -> None:
    """Services before the rules that name them, the weights last."""
    world.apply(ALL_TO_PRIMARY)
    assert world.requests() == [
        "create services/shop-canary",
        "create services/shop-primary",
        "create services/shop",
        "create destinationrules/shop-canary",
        "create destinationrules/shop-primary",
        "create virtualservices/shop",
    ]
    assert world.in_force() == ALL_TO_PRIMARY


def test_a_weight_step_is_exactly_one_patch(rolling: World) -> None:
    """D-50: with fresh live objects nothing is read first."""
    outcome = rolling.apply(TWENTY)
    assert wrote(outcome)
    assert set(outcome.written) == {istio.VIRTUAL_SERVICE}
    assert rolling.requests() == ["patch virtualservices/shop"]
    assert rolling.in_force() == TWENTY


def test_an_intent_in_force_costs_no_call(rolling: World) -> None:
    """D-51: nothing differs, nothing is asked of the API server."""
    assert rolling.apply(TEN) == Applied()
    assert rolling.requests() == []


def test_weights_edited_while_idle_are_set_back_in_the_cluster(rolling: World) -> None:
    """D-43: drift in the weights is drift."""
    rolling.apply(ALL_TO_PRIMARY)
    rolling.observe()
    spec = virtual_service({})["spec"] | {
        "http": [
            {
                "route": [
                    {"destination": {"host": "shop-primary"}, "weight": 50},
                    {"destination": {"host": "shop-canary"}, "weight": 50},
                ]
            }
        ]
    }
    rolling.edit(istio.VIRTUAL_SERVICE, {"spec": spec})
    rolling.observe()
    assert wrote(rolling.apply(ALL_TO_PRIMARY))
    assert rolling.in_force() == ALL_TO_PRIMARY


def test_an_edit_of_the_canary_in_mid_rollout_keeps_the_weights(rolling: World) -> None:
    """D-8: the rewrite for a new host carries the weights of the rollout."""
    rolling.canary = a_canary(hosts=["shop.example.com"])
    assert wrote(rolling.apply(TEN))
    assert rolling.requests() == ["patch virtualservices/shop"]
    assert rolling.in_force() == TEN


def test_a_conflict_is_resolved_at_once_and_loses_nobodys_fields(rolling: World) -> None:
    """D-40, D-53: the object is read again and rendered again, the other writer's field stays."""
    rolling.edit(istio.VIRTUAL_SERVICE, {"spec": {"exportTo": ["."]}})
    outcome = rolling.apply(TWENTY)
    assert wrote(outcome)
    assert rolling.requests() == [
        "patch virtualservices/shop",
        "get virtualservices/shop",
        "patch virtualservices/shop",
    ]
    assert rolling.in_force() == TWENTY
    assert outcome.written == {istio.VIRTUAL_SERVICE: rolling.in_cluster(istio.VIRTUAL_SERVICE)}
    assert (rolling.in_cluster(istio.VIRTUAL_SERVICE) or {})["spec"]["exportTo"] == ["."]


def test_a_conflict_that_leaves_nothing_to_do_is_reported_as_seen(rolling: World) -> None:
    """Someone else wrote the same split: what was read is handed back, nothing is written."""
    stale = dict(rolling.seen)
    rolling.apply(TWENTY)
    rolling.seen = stale
    outcome = rolling.apply(TWENTY)
    assert outcome == Applied(observed=outcome.observed)
    assert set(outcome.observed) == {istio.VIRTUAL_SERVICE}
    assert rolling.requests() == ["patch virtualservices/shop", "get virtualservices/shop"]


def test_conflicts_without_end_are_given_up_after_three_writes(rolling: World) -> None:
    """The loop is bounded; the caller tries again later."""
    rolling.fail(CONFLICT, verb="patch", times=9)
    outcome = rolling.apply(TWENTY)
    assert isinstance(outcome, Rejected)
    assert (outcome.refusals[0].reason, outcome.retriable, outcome.in_force) == (
        "Conflict",
        True,
        False,
    )
    assert outcome.message == "VirtualService shop.prod update failed: PATCH /x: 409 changed"
    assert [request.split()[0] for request in rolling.requests()] == [
        "patch", "get", "patch", "get", "patch",
    ]  # fmt: skip


def test_an_older_intent_never_overwrites_a_newer_write(rolling: World) -> None:
    """Invariant 5: after a conflict a writer whose intent was replaced leaves the object alone."""
    stale = dict(rolling.seen)
    rolling.apply(TrafficSplit.of(0))
    rolling.seen = stale
    outcome = rolling.apply(TWENTY, superseded=lambda: True)
    assert isinstance(outcome, Superseded)
    assert rolling.requests() == ["patch virtualservices/shop"]
    assert rolling.in_force() == ALL_TO_PRIMARY


def test_an_object_deleted_by_someone_is_created_again(rolling: World) -> None:
    """404 on a patch: the watch had not caught up."""
    rolling.remove(istio.VIRTUAL_SERVICE)
    assert wrote(rolling.apply(TWENTY))
    assert rolling.requests() == [
        "patch virtualservices/shop",
        "get virtualservices/shop",
        "create virtualservices/shop",
    ]
    assert rolling.in_force() == TWENTY


def test_an_object_that_exists_unseen_is_read_and_taken_over(world: World) -> None:
    """AlreadyExists on creation: a user's VirtualService, its spec noted, its fields kept."""
    users = virtual_service(
        {"hosts": ["shop"], "exportTo": ["."], "http": [{"route": []}]}, owned=False
    )
    users["metadata"].pop("resourceVersion")
    world.create(istio.VIRTUAL_SERVICE, users)
    assert wrote(world.apply(ALL_TO_PRIMARY))
    assert world.requests()[-3:] == [
        "create virtualservices/shop",
        "get virtualservices/shop",
        "patch virtualservices/shop",
    ]
    taken = world.in_cluster(istio.VIRTUAL_SERVICE)
    assert taken is not None
    assert taken["spec"]["exportTo"] == ["."]
    assert "flagger.kubernetes.io/original-configuration" in taken["metadata"]["annotations"]
    assert "ownerReferences" not in taken["metadata"]


def test_a_write_whose_answer_was_lost_is_not_made_twice(world: World) -> None:
    """The creation went through; repeating it finds the object and leaves it as it is."""
    world.fail(errors.Transient("timed out"), verb="create", resource=ROUTES, after=True)
    first = world.apply(ALL_TO_PRIMARY)
    assert isinstance(first, Rejected)
    assert first.retriable
    written = world.in_cluster(istio.VIRTUAL_SERVICE)
    outcome = world.apply(ALL_TO_PRIMARY)
    assert outcome == Applied(observed=outcome.observed)
    assert world.in_cluster(istio.VIRTUAL_SERVICE) == written


def test_a_rollback_writes_the_weights_before_anything_else(rolling: World) -> None:
    """D-17: with every object out of place, the VirtualService goes first."""
    rolling.canary = a_canary(port=8080, trafficPolicy={"loadBalancer": {"simple": "RANDOM"}})
    rolling.apply(ALL_TO_PRIMARY)
    assert rolling.requests()[0] == "patch virtualservices/shop"
    assert len(rolling.requests()) == 6


@pytest.mark.parametrize("weights", [(0, 0), (70, 70)])
def test_a_rollback_over_an_unreadable_route_writes_it_first(
    rolling: World, weights: tuple[int, int]
) -> None:
    """D-17: weights that make no sense are replaced, not stumbled over."""
    hosts = zip(("shop-primary", "shop-canary"), weights, strict=True)
    route = [{"destination": {"host": host}, "weight": weight} for host, weight in hosts]
    rolling.edit(istio.VIRTUAL_SERVICE, {"spec": {"http": [{"route": route}]}})
    rolling.observe()
    rolling.canary = a_canary(port=8080)
    assert wrote(rolling.apply(ALL_TO_PRIMARY))
    assert rolling.requests()[0] == "patch virtualservices/shop"
    assert rolling.in_force() == ALL_TO_PRIMARY


def test_a_missing_primary_service_is_made_before_requests_are_led_to_it(rolling: World) -> None:
    """Even in a rollback: 100 percent to nothing would be worse than a bad canary."""
    rolling.remove(ServiceRole.PRIMARY)
    rolling.observe()
    rolling.apply(ALL_TO_PRIMARY)
    assert rolling.requests() == ["create services/shop-primary", "patch virtualservices/shop"]


def test_a_missing_rule_does_not_delay_a_rollback(rolling: World) -> None:
    """The route is ours: its weights move before a DestinationRule is put back."""
    rolling.remove(istio.PRIMARY_RULE)
    rolling.observe()
    rolling.apply(ALL_TO_PRIMARY)
    assert rolling.requests() == [
        "patch virtualservices/shop",
        "create destinationrules/shop-primary",
    ]


def test_a_route_of_someone_else_is_taken_over_last(world: World) -> None:
    """It leads to the apex Service until all of ours are there."""
    users = virtual_service({"http": [{"route": [{"destination": {"host": "shop"}}]}]}, owned=False)
    users["metadata"].pop("resourceVersion")
    world.create(istio.VIRTUAL_SERVICE, users)
    world.observe()
    world.apply(ALL_TO_PRIMARY)
    assert world.requests()[-1] == "patch virtualservices/shop"


@pytest.mark.parametrize("error", [FORBIDDEN, BUSY, CONFLICT])
def test_no_other_objects_failure_keeps_the_weights_from_being_written(
    world: World, error: errors.ClientError
) -> None:
    """D-17: the failure is reported, the split is in force all the same."""
    world.apply(ALL_TO_PRIMARY, stage=RouteStage.SERVICES)
    world.observe()
    for verb in ("create", "get"):
        world.fail(error, verb=verb, resource=RULES, times=9)
    outcome = world.apply(TWENTY)
    assert isinstance(outcome, Rejected)
    assert outcome.in_force
    assert outcome.refusals[0].role == istio.CANARY_RULE
    assert world.in_force() == TWENTY


def test_while_the_server_does_not_answer_only_the_weights_are_tried(world: World) -> None:
    """Each call may cost a whole timeout: of six objects two are tried."""
    world.fail(errors.Transient("connecting timed out"), times=99)
    world.seen = {ServiceRole.PRIMARY: {"metadata": {}, "spec": {}}}
    outcome = world.apply(ALL_TO_PRIMARY)
    assert isinstance(outcome, Rejected)
    assert outcome.refusals[0].role == istio.VIRTUAL_SERVICE
    assert world.requests() == ["create services/shop-canary", "create virtualservices/shop"]


INSIDERS = ((Criterion(Aspect.HEADER, "x-user", Comparison.EXACT, "insider"),),)


@pytest.mark.parametrize(
    ("split", "side"),
    [
        (ALL_TO_PRIMARY, "primary"),
        (TrafficSplit(0, 100, match=INSIDERS), "primary"),
        (TrafficSplit(0, 100), "canary"),
        (TrafficSplit(100, 0, pinned=INSIDERS), "canary"),
        (TrafficSplit(100, 0, mirror=Mirror()), "canary"),
    ],
    ids=str,
)
def test_nobody_is_led_to_a_service_that_could_not_be_made(
    world: World, split: TrafficSplit, side: str
) -> None:
    """Requests led to nothing would all fail; the refusal says what is missing."""
    world.fail(FORBIDDEN, verb="create", resource="services", name=f"shop-{side}")
    outcome = world.apply(split)
    assert isinstance(outcome, Rejected)
    assert world.in_cluster(istio.VIRTUAL_SERVICE) is None
    missing, refused = outcome.refusals
    assert missing == Refusal(
        istio.VIRTUAL_SERVICE,
        "DestinationMissing",
        f"VirtualService shop.prod update failed: service shop-{side} does not exist",
        retriable=False,
    )
    assert refused.message == (
        f"reconcileService failed: service shop-{side} create error: PATCH /x: 403 no"
    )
    assert not refused.retriable


@pytest.mark.parametrize(
    ("error", "reason", "retriable"),
    [
        (FORBIDDEN, "Forbidden", False),
        (BUSY, "TooManyRequests", True),
        (errors.Transient("PATCH /x: timed out"), "Transient", True),
        (errors.Permanent("PATCH /x: 422", status=422, reason="Invalid"), "Invalid", False),
    ],
)
def test_a_refused_weight_step_says_what_why_and_whether_to_retry(
    rolling: World, error: Any, reason: str, retriable: bool
) -> None:
    """Flagger's text, and a reason from the API server."""
    rolling.fail(error, verb="patch")
    assert rolling.apply(TWENTY) == Rejected(
        (
            Refusal(
                istio.VIRTUAL_SERVICE,
                reason,
                f"VirtualService shop.prod update failed: {error.message}",
                retriable,
            ),
        )
    )


@pytest.mark.parametrize(
    ("matching", "message"),
    [
        (
            {"resource": "services", "name": "shop-canary"},
            "reconcileService failed: service shop-canary create error: PATCH /x: 403 no",
        ),
        (
            {"resource": RULES, "name": "shop-primary"},
            (
                "reconcileDestinationRule failed: DestinationRule shop-primary.prod create error: "
                "PATCH /x: 403 no"
            ),
        ),
        (
            {"resource": ROUTES},
            (
                "reconcileVirtualService failed: VirtualService shop.prod create error: "
                "PATCH /x: 403 no"
            ),
        ),
    ],
)
def test_each_refusal_names_its_object(
    world: World, matching: dict[str, str], message: str
) -> None:
    """The prefixes users know from Warning events."""
    world.fail(FORBIDDEN, verb="create", **matching)
    outcome = world.apply(ALL_TO_PRIMARY)
    assert isinstance(outcome, Rejected)
    assert outcome.message == message


def test_a_namespace_or_kind_that_is_missing_is_not_retried(world: World) -> None:
    """404 on a creation: no read could help."""
    world.fail(errors.NotFound("POST /x: 404", status=404, reason="NotFound"), resource=ROUTES)
    outcome = world.apply(ALL_TO_PRIMARY)
    assert isinstance(outcome, Rejected)
    assert (outcome.refusals[0].reason, outcome.retriable) == ("NotFound", False)


def test_an_invalid_delegate_is_refused_in_flaggers_words(world: World) -> None:
    """The Services are made all the same."""
    world.canary = a_canary(delegation=True, hosts=["x"])
    outcome = world.apply(ALL_TO_PRIMARY)
    assert isinstance(outcome, Rejected)
    assert not outcome.retriable
    assert outcome.refusals[0].message == (
        "reconcileVirtualService failed: VirtualService shop.prod cannot have hosts and gateways "
        "when delegation enabled"
    )
    assert world.in_cluster(ServiceRole.APEX) is not None


def test_a_rollback_needs_no_workload(rolling: World) -> None:
    """With the target gone the Services stay as they are and the weights move."""
    rolling.canary = a_canary(port=8080)
    assert wrote(rolling.apply(ALL_TO_PRIMARY, target=None))
    assert rolling.requests() == ["patch virtualservices/shop"]
    assert rolling.in_force() == ALL_TO_PRIMARY


def test_a_target_without_selector_label_does_not_stop_a_rollback(rolling: World) -> None:
    """The Services cannot be made, which is said; the weights move."""
    outcome = rolling.apply(ALL_TO_PRIMARY, target=replace(TARGET, selector_label=None))
    assert isinstance(outcome, Rejected)
    assert outcome.in_force
    assert not outcome.retriable
    assert outcome.message == (
        "getSelectorLabel failed: deployment shop.prod spec.selector.matchLabels has none of the "
        "selector labels"
    )
    assert rolling.in_force() == ALL_TO_PRIMARY


def test_the_live_objects_given_are_not_modified(rolling: World) -> None:
    """What the caller observed stays what it observed."""
    before = repr(rolling.seen)
    rolling.apply(TWENTY)
    assert repr(rolling.seen) == before


def test_an_unknown_provider_is_not_applied_as_istio(world: World) -> None:
    """D-94: it is refused before any call."""
    world.canary = a_canary(spec={"provider": "linkerd"})
    with pytest.raises(registry.NoRouter):
        world.apply(ALL_TO_PRIMARY, target=TARGET)
    assert world.requests() == []


OTHERS = {"kind": "Canary", "name": "first", "uid": "u-first", "controller": True}


def held(world: World, role: str, owner: dict[str, Any] | None = None) -> None:
    """Lets another controller have the object in `role`, seen by the watch."""
    references = [{"apiVersion": "flagger.app/v1beta1", **(owner or OTHERS)}]
    world.edit(role, {"metadata": {"ownerReferences": references}})
    world.observe()


@pytest.mark.parametrize("role", [*ServiceRole, istio.VIRTUAL_SERVICE, istio.CANARY_RULE])
@pytest.mark.parametrize("owner", [OTHERS, {**OTHERS, "kind": "App", "name": "shop"}])
def test_what_another_controller_has_is_not_rewritten(
    rolling: World, role: str, owner: dict[str, Any]
) -> None:
    """Not even a metadata key of it; the refusal names the controller and is not retried soon."""
    held(rolling, role, owner)
    rolling.edit(role, {"spec": {"foreign": "edit"}})
    before = rolling.in_cluster(role)
    outcome = rolling.apply(TWENTY)
    assert isinstance(outcome, Rejected)
    (refusal,) = [each for each in outcome.refusals if each.role == role]
    assert f"controlled by {owner['kind']} {owner['name']}" in refusal.message
    assert (refusal.reason, refusal.retriable) == ("ControlledByAnother", False)
    assert rolling.in_cluster(role) == before


def test_requests_are_not_led_to_a_service_of_another_canary(rolling: World) -> None:
    """Its pods are another application's; leading everything to one's own primary is possible."""
    held(rolling, ServiceRole.CANARY)
    outcome = rolling.apply(TWENTY)
    assert isinstance(outcome, Rejected)
    assert not outcome.in_force
    assert rolling.in_force() == TEN
    rolling.apply(ALL_TO_PRIMARY)
    assert rolling.in_force() == ALL_TO_PRIMARY


def test_what_turns_out_to_be_another_canarys_is_not_rewritten(world: World) -> None:
    """Also when the watch had not shown it yet: it is read before it is written over."""
    world.exposed(TEN)
    world.edit(
        istio.VIRTUAL_SERVICE,
        {"metadata": {"ownerReferences": [{"apiVersion": "flagger.app/v1beta1", **OTHERS}]}},
    )
    before = world.in_cluster(istio.VIRTUAL_SERVICE)
    assert isinstance(world.apply(TWENTY), Rejected)
    assert world.in_cluster(istio.VIRTUAL_SERVICE) == before


def test_what_another_canary_has_left_behind_is_taken_over(rolling: World) -> None:
    """It gets its new content and its new owner in one write, and stays when the old one goes."""
    held(rolling, istio.VIRTUAL_SERVICE)
    outcome = rolling.apply(TWENTY, left_by=("u-first",))
    assert wrote(outcome)
    assert rolling.requests() == ["patch virtualservices/shop"]
    assert rolling.in_force() == TWENTY
    live = rolling.in_cluster(istio.VIRTUAL_SERVICE) or {}
    assert live["metadata"]["ownerReferences"] == [ownership.reference(rolling.canary)]


def test_a_failed_look_after_a_conflict_does_not_take_the_object_for_gone(rolling: World) -> None:
    """What cannot be read is refused as such; nothing is created in its place."""
    rolling.edit(istio.VIRTUAL_SERVICE, {"spec": {"exportTo": ["."]}})
    before = rolling.in_cluster(istio.VIRTUAL_SERVICE)
    rolling.fail(errors.Transient("GET /x: away"), verb="get")
    assert rolling.apply(TWENTY) == Rejected(
        (
            Refusal(
                istio.VIRTUAL_SERVICE,
                "Transient",
                "reconcileVirtualService failed: VirtualService shop.prod get query error: "
                "GET /x: away",
                retriable=True,
            ),
        )
    )
    assert rolling.requests() == ["patch virtualservices/shop", "get virtualservices/shop"]
    assert rolling.in_cluster(istio.VIRTUAL_SERVICE) == before


def test_without_a_target_a_route_keeps_its_marks(rolling: World) -> None:
    """A rollback of a canary whose workload is gone changes the weights alone."""
    rolling.canary = a_canary(apex={"labels": {"team": "a"}, "annotations": {"x": "y"}})
    rolling.exposed(TEN)
    marks = (rolling.in_cluster(istio.VIRTUAL_SERVICE) or {})["metadata"]
    rolling.apply(ALL_TO_PRIMARY, target=None)
    kept = (rolling.in_cluster(istio.VIRTUAL_SERVICE) or {})["metadata"]
    assert marks["labels"]["team"] == "a"
    assert (kept["labels"], kept["annotations"]) == (marks["labels"], marks["annotations"])
