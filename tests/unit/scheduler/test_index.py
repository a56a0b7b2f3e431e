"""Which projections change by what happens in a cluster.

Tested: every role, the last good manifest, who owns a target, lists against events, noise. Left
out: the projections of Deployments themselves (tests/unit/workloads).
"""

import copy
import re
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from analysis.news import News
from clients.documents.world import ShownStatus, TemplateView
from clients.kube import decoding, resources
from clients.kube.protocol import WatchType
from clients.kube.resources import Resource
from config import well_known
from config.refs import CanaryRef
from config.validation.problems import Problem, ProblemReason
from routing.registry import ROUTERS
from scheduler import manifests, projections
from scheduler.index import Changes, Index
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP

CANARIES, DEPLOYMENTS = resources.CANARIES, resources.DEPLOYMENTS
OTHER = CanaryRef("prod", "other")


Roles = dict[CanaryRef, frozenset[str] | None]


def see(index: Index, *items: dict[str, Any]) -> Roles:
    """The roles changed by the last of `items`, all of them seen one by one."""
    changes: Changes = {}
    for raw in items:
        changes = index.apply(worlds.resource_of(raw), WatchType.MODIFIED, raw)
    return roles_of(changes)


def lose(index: Index, raw: dict[str, Any]) -> Roles:
    """The roles changed by the deletion of `raw`."""
    return roles_of(index.apply(worlds.resource_of(raw), WatchType.DELETED, raw))


def roles_of(changes: Changes) -> Roles:
    """What changed, whatever it may be good for."""
    return {ref: None if roles is None else frozenset(roles) for ref, roles in changes.items()}


def world_of(index: Index, ref: CanaryRef = SHOP) -> dict[str, Any]:
    """Everything about a canary that there is, by role; None where there is nothing."""
    world = index.world(ref)
    assert world is not None
    return dict.fromkeys(projections.roles(ROUTERS)) | world.by_role()


def admission_of(index: Index, ref: CanaryRef = SHOP) -> Any:
    """The admission of a canary."""
    return world_of(index, ref)["admission"]


def reasons(index: Index, ref: CanaryRef = SHOP) -> list[str]:
    """The reasons of a canary's problems."""
    return [problem.reason for problem in admission_of(index, ref).problems]


# --- roles


def test_objects_are_found_by_the_names_that_the_canary_implies() -> None:
    """Each role is one object: the target, its primary, three Services, three mesh objects."""
    index = worlds.an_index()
    see(index, worlds.a_canary())
    named = {
        "target": (resources.DEPLOYMENTS, "shop"),
        "primary": (resources.DEPLOYMENTS, "shop-primary"),
        "apex-service": (resources.SERVICES, "shop"),
        "primary-service": (resources.SERVICES, "shop-primary"),
        "canary-service": (resources.SERVICES, "shop-canary"),
        "virtual-service": (resources.VIRTUAL_SERVICES, "shop"),
        "primary-rule": (resources.DESTINATION_RULES, "shop-primary"),
        "canary-rule": (resources.DESTINATION_RULES, "shop-canary"),
    }

    for role, (resource, name) in named.items():
        raw = {**worlds.a_deployment(name), "kind": resource.kind}
        changes = see(index, raw)
        assert list(changes) == [SHOP]
        judged = {"admission"} if role == "target" else set()  # it was missing until now
        assert changes[SHOP] == frozenset({role} | judged)
        assert world_of(index)[role] is not None


def test_every_role_is_either_an_object_or_the_canarys_own() -> None:
    """A new role has to be given a place in the index."""
    index = worlds.an_index()
    see(index, worlds.a_canary())

    assert set(world_of(index)) == projections.roles(ROUTERS)


def test_objects_seen_before_their_canary_are_in_its_world_at_once() -> None:
    """It does not matter which list comes first."""
    index = worlds.an_index()
    see(index, worlds.a_deployment(), worlds.a_virtual_service())

    changes = see(index, worlds.a_canary())

    there = frozenset(role for role, value in world_of(index).items() if value is not None)
    assert changes == {SHOP: there}
    assert world_of(index)["target"] is not None
    assert world_of(index)["virtual-service"] is not None


def test_an_object_nobody_refers_to_changes_nothing() -> None:
    """Most Deployments of a cluster have no canary."""
    index = worlds.an_index()
    see(index, worlds.a_canary())

    assert see(index, worlds.a_deployment("bystander")) == {}


def test_bookkeeping_of_writers_is_not_kept() -> None:
    """The field managers are nobody's business, versions only where they guard our writes."""
    index = worlds.an_index()
    see(index, worlds.a_canary(), worlds.a_virtual_service(), worlds.a_deployment())
    world = world_of(index)

    assert world["canary"] is not None
    assert world["virtual-service"] is not None
    assert not {"managedFields", "resourceVersion"} & world["canary"]["metadata"].keys()
    assert world["virtual-service"]["metadata"]["resourceVersion"] == "3"
    assert not hasattr(world["target"], "resource_version")


def test_the_status_of_a_canary_changes_its_own_role_alone() -> None:
    """What we report must not look like an edit."""
    index = worlds.an_index()
    see(index, worlds.a_canary())
    reported = worlds.a_canary(status={"phase": "Initialized"})
    reported["metadata"] |= {"resourceVersion": "99", "managedFields": [{"manager": "coalmine"}]}

    assert see(index, reported) == {SHOP: frozenset({"status"})}
    assert world_of(index)["status"] == ShownStatus("99", {"phase": "Initialized"})


def test_a_deployment_status_without_news_is_no_change() -> None:
    """Readiness noise wakes nobody: a new version, an old picture."""
    index = worlds.an_index()
    see(index, worlds.a_canary(), worlds.a_deployment())
    noise = worlds.a_deployment()
    noise["metadata"]["resourceVersion"] = "8"
    noise["status"]["terminatingReplicas"] = 1

    assert see(index, noise) == {}
    assert list(see(index, worlds.a_deployment(available=1))) == [SHOP]


def test_a_canary_marked_for_deletion_says_so() -> None:
    """Deletion with finalizers is a state of the object first."""
    index = worlds.an_index()
    see(index, worlds.a_canary())
    dying = worlds.a_canary()
    dying["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"

    see(index, dying)

    assert admission_of(index).deleting is True


def test_a_deleted_canary_is_gone() -> None:
    """None, not a world of nothing."""
    index = worlds.an_index()
    see(index, worlds.a_canary())

    assert lose(index, worlds.a_canary()) == {SHOP: None}
    assert index.world(SHOP) is None
    assert see(index, worlds.a_deployment()) == {}


# --- the last good manifest


def test_an_edit_that_cannot_be_carried_out_leaves_the_last_good_manifest_in_force() -> None:
    """Invariant 9: the canary keeps its behaviour, and its author is told."""
    index = worlds.an_index()
    good = worlds.a_canary()
    see(index, worlds.a_deployment(), good)
    before = world_of(index)["canary"]

    changes = see(index, worlds.with_spec(good, analysis={"interval": "soon"}))

    assert list(changes[SHOP] or ()) == ["admission"]
    assert world_of(index)["canary"] == before
    assert reasons(index) == ["InvalidSpec"] * len(reasons(index)) != []
    assert admission_of(index).generation == 2


def test_a_canary_that_never_was_good_has_no_manifest() -> None:
    """There is nothing to fall back on."""
    index = worlds.an_index()
    see(index, worlds.a_canary(interval="soon"))

    assert world_of(index)["canary"] is None
    assert reasons(index)


def test_the_last_good_manifest_is_not_that_of_an_earlier_object() -> None:
    """A canary that is deleted and made again starts from nothing."""
    index = worlds.an_index()
    see(index, worlds.a_canary(uid="first"))
    see(index, worlds.a_canary(uid="second", interval="soon"))

    assert world_of(index)["canary"] is None
    assert admission_of(index).uid == "second"


def test_a_repaired_edit_is_in_force_again() -> None:
    """The good manifest follows the object as soon as it can."""
    index = worlds.an_index()
    good = worlds.a_canary()
    bad = worlds.with_spec(good, analysis={"interval": "soon"})
    repaired = {**good["spec"]["analysis"], "stepWeight": 20}
    fixed = worlds.with_spec(bad, analysis=repaired)
    see(index, worlds.a_deployment(), good, bad, fixed)

    assert world_of(index)["canary"]["spec"]["analysis"]["stepWeight"] == 20
    assert admission_of(index).problems == ()


def test_annotations_that_decide_nothing_are_neither_kept_nor_news() -> None:
    """R-82: 250 KiB of them were in Redis, and read by each look at the canary."""
    index, canary = worlds.an_index(), worlds.a_canary()
    see(index, worlds.a_deployment(), canary)
    known = world_of(index)["canary"]
    canary["metadata"]["annotations"] = {
        well_known.LAST_APPLIED_ANNOTATION: "x" * 250_000,
        "argocd.argoproj.io/tracking-id": "shop",
    }
    see(index, canary)
    assert world_of(index)["canary"] == known

    canary["metadata"]["annotations"][well_known.NUDGE_ANNOTATION] = "now"
    see(index, canary)
    nudged = {**known["metadata"], "annotations": {well_known.NUDGE_ANNOTATION: "now"}}
    assert world_of(index)["canary"] == {**known, "metadata": nudged}


def test_a_new_leader_adopts_the_last_good_manifest_from_the_store() -> None:
    """What the old leader knew is not lost with it."""
    old, new = worlds.an_index(), worlds.an_index()
    good = worlds.a_canary()
    bad = worlds.with_spec(good, analysis={"interval": "soon"})
    see(old, good, bad)
    see(new, bad, worlds.a_deployment())

    new.adopt(SHOP, world_of(old)["canary"])
    see(old, worlds.a_deployment())

    assert new.world(SHOP) == old.world(SHOP)


def test_nothing_is_adopted_that_would_not_be_admitted() -> None:
    """Not from another object, not for a canary in force, not what this version refuses."""
    index = worlds.an_index()
    bad = worlds.a_canary(interval="soon", generation=5)
    see(index, bad)

    assert index.adopt(SHOP, projections.bare_canary(worlds.a_canary(uid="another"))) == {}
    assert index.adopt(SHOP, projections.bare_canary(bad)) == {}
    assert index.adopt(SHOP, None) == {}
    assert index.adopt(OTHER, projections.bare_canary(worlds.a_canary())) == {}
    see(index, worlds.a_canary(generation=6))
    assert index.adopt(SHOP, projections.bare_canary(worlds.a_canary())) == {}


# --- what only the workloads show


def test_a_missing_target_is_told_but_blocks_nothing() -> None:
    """It may come yet; the text says what is allowed."""
    index = worlds.an_index()
    see(index, worlds.a_canary())

    assert admission_of(index).problems == (
        Problem(
            field="spec.targetRef.name",
            message="spec.targetRef.name: Invalid value: 'shop': deployment shop.prod not found; "
            "allowed is the name of an existing Deployment in namespace prod",
            reason=ProblemReason.TARGET_NOT_FOUND,
            blocking=False,
        ),
    )


def test_a_target_without_a_candidate_label_is_refused_in_flagger_s_words() -> None:
    """8.5 of the CRD reference."""
    index, target = worlds.an_index(), worlds.a_deployment()
    target["spec"]["selector"] = {"matchLabels": {"team": "shop"}}
    see(index, worlds.a_canary(), target)

    assert admission_of(index).problems == (
        Problem(
            message="getSelectorLabel failed: deployment shop.prod spec.selector.matchLabels must "
            "contain one of [app name]",
            reason=ProblemReason.NO_SELECTOR_LABEL,
            blocking=True,
        ),
    )


def test_a_stranger_with_the_primary_s_name_is_refused_until_it_goes() -> None:
    """D-79: before anything is routed to it."""
    index, stranger = worlds.an_index(), worlds.a_deployment("shop-primary")
    see(index, worlds.a_canary(), worlds.a_deployment())
    stranger["spec"]["selector"] = {"matchLabels": {"app": "db"}}
    begun = see(index, stranger)

    assert begun == {SHOP: frozenset({"primary", "admission"})}
    (problem,) = admission_of(index).problems
    assert (problem.reason, problem.blocking) == ("PrimaryConflict", True)
    assert problem.message == (
        "deployment shop-primary.prod is not the primary of canary shop.prod: it selects app=db, "
        "allowed is app=shop-primary"
    )
    assert lose(index, stranger) == {SHOP: frozenset({"primary", "admission"})}
    assert admission_of(index).problems == ()


def test_a_primary_that_another_object_controls_is_refused() -> None:
    """Also that of an earlier canary of this name: it is about to be collected."""
    index, stranger = worlds.an_index(), worlds.a_deployment("shop-primary")
    owner = {"kind": "Canary", "name": "shop", "uid": "another", "controller": True}
    stranger["metadata"]["ownerReferences"] = [owner]
    see(index, worlds.a_canary(), worlds.a_deployment(), stranger)

    assert reasons(index) == ["PrimaryConflict"]
    assert "it is controlled by Canary shop;" in admission_of(index).problems[0].message


# --- who owns a target


def owner_told(index: Index, ref: CanaryRef = SHOP) -> CanaryRef | None:
    """The canary that a blocking problem of `ref` names as the owner of what it wants."""
    texts = [problem.message for problem in admission_of(index, ref).problems if problem.blocking]
    named = [found for text in texts if (found := re.search(r"that of canary (\S+);", text))]
    return CanaryRef.parse(named[0][1]) if named else None


def test_of_two_canaries_with_one_target_the_older_is_acted_on() -> None:
    """D-91: they never fight; the younger one is told who was first."""
    index = worlds.an_index()
    young = worlds.a_canary("other", target="shop", created="2026-02-01T00:00:00Z")
    see(index, worlds.a_deployment(), young)
    assert reasons(index, OTHER) == []

    changes = see(index, worlds.a_canary("shop", created="2026-01-01T00:00:00Z"))

    assert set(changes) == {SHOP, OTHER}
    assert owner_told(index, OTHER) == SHOP
    (problem,) = admission_of(index, OTHER).problems
    assert problem.message == (
        'spec.targetRef.name: Invalid value: "shop": deployment shop.prod is already that of '
        "canary prod/shop; allowed is a name that no other canary uses, nor its -primary and "
        "-canary"
    )
    assert problem.blocking
    assert owner_told(index, SHOP) is None


def test_of_two_canaries_of_one_age_the_first_by_name_is_acted_on() -> None:
    """D-91: one `kubectl apply` creates both within a second."""
    index = worlds.an_index()
    see(index, worlds.a_canary("shop"), worlds.a_canary("other", target="shop"))

    assert owner_told(index, SHOP) == OTHER


def test_in_a_list_the_order_does_not_decide_who_owns_a_target() -> None:
    """D-91: the younger is not acted on for having been read first."""
    index = worlds.an_index()
    young = worlds.a_canary("other", target="shop", created="2026-02-01T00:00:00Z")

    index.replace(CANARIES, [young, worlds.a_canary("shop")])

    assert world_of(index, OTHER)["canary"] is None
    assert owner_told(index, OTHER) == SHOP


def test_a_target_is_free_again_when_its_owner_goes() -> None:
    """D-91: the next one is acted on without being edited."""
    index = worlds.an_index()
    owner = worlds.a_canary("other", target="shop")
    see(index, worlds.a_deployment(), owner, worlds.a_canary("shop"))
    assert world_of(index)["canary"] is None

    changes = lose(index, owner)

    assert {"canary", "admission"} <= (changes[SHOP] or set())
    assert owner_told(index) is None
    assert admission_of(index).problems == ()


def test_a_target_is_free_again_when_its_owner_turns_to_another() -> None:
    """D-91: an edit counts like a deletion."""
    index = worlds.an_index()
    owner = worlds.a_canary("other", target="shop")
    see(index, owner, worlds.a_canary("shop"))
    elsewhere = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "elsewhere"}

    see(index, worlds.with_spec(owner, targetRef=elsewhere))

    assert owner_told(index) is None


def test_an_owner_edited_badly_keeps_its_target() -> None:
    """D-91: it is still acted on, by its last good manifest."""
    index = worlds.an_index()
    owner = worlds.a_canary("other", target="shop")
    see(index, owner, worlds.a_canary("shop"))

    see(index, worlds.with_spec(owner, analysis={"interval": "soon"}))

    assert owner_told(index) == OTHER


def test_targets_of_different_kinds_or_namespaces_are_different() -> None:
    """D-91: a DaemonSet and a Deployment of one name are two workloads."""
    index = worlds.an_index()
    older = worlds.a_canary("set", target="shop", kind="DaemonSet", created="2025-01-01T00:00:00Z")
    see(
        index,
        worlds.with_spec(older, service={"port": 80, "name": "set"}),
        worlds.a_canary("shop", namespace="test", created="2025-01-01T00:00:00Z"),
        worlds.a_canary("shop"),
    )

    assert owner_told(index) is None


def test_a_canary_edited_to_the_target_of_another_goes_on_as_it_was() -> None:
    """Design invariant 9: what runs goes on serving, and can be rolled back."""
    index = worlds.an_index()
    mine = worlds.a_canary("shop", created="2026-02-01T00:00:00Z")
    see(index, worlds.a_deployment(), worlds.a_canary("other"), mine)
    taken = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}

    edited = worlds.with_spec(mine, targetRef=taken)
    see(index, edited)
    during, told = world_of(index), owner_told(index)
    see(index, worlds.with_spec(edited, targetRef=mine["spec"]["targetRef"]))

    assert during["canary"] == projections.bare_canary(mine)
    assert during["target"] is not None
    assert told == OTHER
    assert admission_of(index).problems == ()


# --- who owns a name


def named(name: str, target: str, service: str | None, month: int = 1) -> dict[str, Any]:
    """A canary of a target under an apex name, made in a month of 2026."""
    raw = worlds.a_canary(name, target=target, created=f"2026-{month:02}-01T00:00:00Z")
    return worlds.with_spec(raw, service={"port": 80, **({"name": service} if service else {})})


@pytest.mark.parametrize(
    ("target", "service", "reason", "field", "taken"),
    [
        ("api", "shop", "NameConflict", "spec.service.name", "service shop"),
        ("api", "shop-primary", "NameConflict", "spec.service.name", "service shop-primary"),
        ("api", "shop-canary", "NameConflict", "spec.service.name", "service shop-canary"),
        ("shop-primary", "api", "TargetConflict", "spec.targetRef.name", "deployment shop-primary"),
        ("shop", "api", "TargetConflict", "spec.targetRef.name", "deployment shop"),
        ("shop-canary", None, "NameConflict", "spec.targetRef.name", "service shop-canary"),
    ],
)
def test_the_second_canary_of_a_name_is_refused_naming_the_first(
    target: str, service: str | None, reason: str, field: str, taken: str
) -> None:
    """A target and an apex name, with their -primary and -canary, have one owner each."""
    index = worlds.an_index()
    index.replace(CANARIES, [named("other", target, service, 2), worlds.a_canary("shop")])

    (problem,) = [each for each in admission_of(index, OTHER).problems if each.blocking]
    assert problem.reason == reason
    assert problem.message.startswith(f"{field}: ")
    assert f": {taken}.prod is already that of canary prod/shop; " in problem.message
    assert world_of(index, OTHER)["canary"] is None
    assert world_of(index)["canary"] is not None


def test_a_name_is_free_again_when_its_owner_goes_or_turns_to_another() -> None:
    """The second goes on by itself."""
    for loses in (True, False):
        index = worlds.an_index()
        first = named("shop", "web", "front")
        see(index, first, named("other", "api", "front", 2))
        assert owner_told(index, OTHER) == SHOP
        if loses:
            lose(index, first)
        else:
            see(index, worlds.with_spec(first, service={"port": 80, "name": "back"}))
        assert owner_told(index, OTHER) is None
        assert world_of(index, OTHER)["canary"] is not None


def test_who_is_refused_keeps_nobody_else_from_a_name() -> None:
    """Of three in a row the first and the last are acted on."""
    index = worlds.an_index()
    third = CanaryRef("prod", "third")
    see(index, named("shop", "web", "front"), named("other", "api", "front", 2))
    see(index, named("third", "api", "rear", 3))

    assert owner_told(index, OTHER) == SHOP
    assert owner_told(index, third) is None


def test_what_another_canary_has_left_behind_may_be_taken_over() -> None:
    """Its uid is stored with the new owner, for as long as it controls one of its objects."""
    index = worlds.an_index()
    first, second = named("shop", "web", "front"), named("other", "api", "front", 2)
    held = worlds.a_virtual_service("front")
    owner = {"kind": "Canary", "name": "shop", "uid": "uid-shop", "controller": True}
    held["metadata"]["ownerReferences"] = [owner]
    see(index, first, second)
    index.apply(resources.VIRTUAL_SERVICES, WatchType.ADDED, held)
    assert admission_of(index).left_by == ()

    see(index, worlds.with_spec(first, service={"port": 80, "name": "back"}))
    assert admission_of(index, OTHER).left_by == ("uid-shop",)
    assert admission_of(index).left_by == ()


# --- odd objects


def test_an_object_without_a_name_is_passed_over() -> None:
    """D-29: the rest of its list is taken in."""
    index = worlds.an_index()
    nameless = [None, 7, {}, {"metadata": None}, {"metadata": {"name": 5, "namespace": "prod"}}]

    changes = index.replace(CANARIES, [*nameless, worlds.a_canary()])

    assert list(changes) == [SHOP]


def test_one_undecodable_object_does_not_break_the_list() -> None:
    """D-29: a Canary, and a Deployment, that no schema should have let through."""
    index = worlds.an_index()
    odd_canary = worlds.a_canary("odd")
    odd_canary["spec"] = "none"
    odd_deployment = {**worlds.a_deployment("odd"), "spec": {"selector": "all"}}

    index.replace(CANARIES, [odd_canary, worlds.a_canary()])
    index.replace(DEPLOYMENTS, [odd_deployment, worlds.a_deployment()])

    assert world_of(index)["target"] is not None
    assert reasons(index, CanaryRef("prod", "odd")) == ["InvalidSpec"]


def test_the_canary_of_an_odd_object_is_told_of_it_until_it_is_mended() -> None:
    """Of a VirtualService that lost a part, of a Deployment nobody can read; nobody else is."""
    index = worlds.an_index()
    see(index, worlds.a_canary(), worlds.a_canary("other"))
    route = worlds.a_virtual_service()
    see(index, route, worlds.a_deployment(), worlds.a_deployment("other"))

    changes = see(index, decoding.Odd(route, "spec.http.0: nested deeper than 64 levels"))
    assert changes == {SHOP: frozenset({"admission"})}
    assert admission_of(index).problems == (
        Problem(
            reason=ProblemReason.ODD_OBJECT,
            message="VirtualService shop.prod cannot be read: spec.http.0: nested deeper than 64 "
            "levels",
            blocking=False,
        ),
    )
    assert admission_of(index, OTHER).problems == ()
    assert see(index, route) == {SHOP: frozenset({"admission"})}
    assert admission_of(index).problems == ()

    misshapen = {**worlds.a_deployment(), "spec": {"selector": "all"}}
    assert see(index, misshapen) == {SHOP: frozenset({"admission"})}
    assert reasons(index) == ["OddObject"]
    assert world_of(index)["target"] is not None
    assert lose(index, misshapen) == {SHOP: frozenset({"admission", "target"})}
    assert reasons(index) == ["TargetNotFound"]


# --- any history


NAMES = ("shop", "other", "third")
CREATED = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")


@strategies.composite
def an_object(draw: strategies.DrawFn) -> dict[str, Any]:
    """A canary good or bad, a Deployment or a route, of few names so that they meet."""
    name = draw(strategies.sampled_from(NAMES))
    kind = draw(strategies.sampled_from(("canary", "canary", "deployment", "primary", "route")))
    if kind == "canary":
        again = draw(strategies.sampled_from((0, 0, 1)))
        return worlds.a_canary(
            name,
            target=draw(strategies.sampled_from(NAMES)),
            created=CREATED[(NAMES.index(name) + again) % 2],  # one object has one time
            uid=f"uid-{name}-{again}",
            generation=draw(strategies.integers(1, 9)),
            interval=draw(strategies.sampled_from(("30s", "1m", "soon"))),
            status=draw(strategies.sampled_from((None, {"phase": "Failed"}))),
        )
    if kind == "route":
        return worlds.a_virtual_service(name, draw(strategies.sampled_from((0, 10))))
    name = f"{name}-primary" if kind == "primary" else name
    return worlds.a_deployment(name, available=draw(strategies.integers(0, 2)))


EVENTS = strategies.lists(strategies.tuples(strategies.booleans(), an_object()), max_size=25)
Known = dict[Resource, dict[str, dict[str, Any]]]


def play(index: Index, events: list[tuple[bool, dict[str, Any]]]) -> tuple[Known, dict[Any, Any]]:
    """What is left of the objects in the end, and the worlds as the changes alone tell them."""
    present: Known = {resource: {} for resource in projections.watched(ROUTERS)}
    mirror: dict[Any, Any] = {}
    for deleted, raw in events:
        resource, name = worlds.resource_of(raw), raw["metadata"]["name"]
        if deleted:
            present[resource].pop(name, None)
        else:
            present[resource][name] = raw
        kind = WatchType.DELETED if deleted else WatchType.MODIFIED
        follow(mirror, index, index.apply(resource, kind, copy.deepcopy(raw)))
    return present, mirror


def follow(mirror: dict[Any, Any], index: Index, changes: Changes) -> None:
    """Bring the mirror up to date as the store would be."""
    for ref, roles in changes.items():
        if roles is None:
            mirror.pop(ref, None)
        else:
            world = world_of(index, ref)
            known = mirror.get(ref, dict.fromkeys(projections.roles(ROUTERS)))
            mirror[ref] = {**known, **{role: world[role] for role in roles}}


def remember(fresh: Index, known: Index) -> None:
    """Adopt what was known before, as the publisher does."""
    asked: set[CanaryRef] = set()
    while doubtful := fresh.unsettled() - asked:
        asked |= doubtful
        for ref in sorted(doubtful):
            fresh.adopt(ref, world_of(known, ref)["canary"])


def test_a_new_leader_gives_no_younger_canary_what_an_older_one_still_owns() -> None:
    """The older one is edited badly, so that only its last good manifest says what it has."""
    older = worlds.a_canary("shop", created="2026-01-01T00:00:00Z")
    spoilt = worlds.a_canary("shop", created="2026-01-01T00:00:00Z", interval="soon")
    younger = worlds.a_canary("other", target="shop", created="2026-02-01T00:00:00Z")
    first = worlds.an_index()
    for raw in (older, spoilt, younger):
        first.apply(CANARIES, WatchType.MODIFIED, raw)
    known = {ref: world_of(first, ref) for ref in first.refs()}

    second = worlds.an_index()
    second.replace(CANARIES, [spoilt, younger])
    remember(second, first)
    assert {ref: world_of(second, ref) for ref in second.refs()} == known
    assert known[CanaryRef("prod", "other")]["canary"] is None


@hypothesis.given(EVENTS, strategies.permutations(projections.watched(ROUTERS)))
def test_any_sequence_of_events_leads_to_the_world_of_a_fresh_list(
    events: list[tuple[bool, dict[str, Any]]], order: list[Resource]
) -> None:
    """A new leader sees what the old one saw, given its last good manifests, in whatever order."""
    index, fresh = worlds.an_index(), worlds.an_index()
    present, _ = play(index, events)

    for resource in order:
        fresh.replace(resource, present[resource].values())
    remember(fresh, index)

    assert fresh.refs() == index.refs()
    for ref in index.refs():
        assert fresh.world(ref) == index.world(ref)


@hypothesis.given(EVENTS)
def test_the_changes_alone_keep_a_copy_of_the_worlds_up_to_date(
    events: list[tuple[bool, dict[str, Any]]],
) -> None:
    """Nothing changes that is not told: the store needs no other source."""
    index = worlds.an_index()
    _, mirror = play(index, events)

    assert mirror == {ref: world_of(index, ref) for ref in index.refs()}


@hypothesis.given(EVENTS, EVENTS)
def test_a_list_makes_up_for_missed_events(
    before: list[tuple[bool, dict[str, Any]]], missed: list[tuple[bool, dict[str, Any]]]
) -> None:
    """D-27: also for deletions that nobody told; the changes of the list tell them."""
    index = worlds.an_index()
    _, mirror = play(index, before)
    present, _ = play(worlds.an_index(), [*before, *missed])

    for resource in projections.watched(ROUTERS):
        follow(mirror, index, index.replace(resource, present[resource].values()))

    assert index.refs() == {CanaryRef("prod", name) for name in present[CANARIES]}
    assert mirror == {ref: world_of(index, ref) for ref in index.refs()}
    fresh = worlds.an_index()
    for resource in projections.watched(ROUTERS):
        fresh.replace(resource, present[resource].values())
    remember(fresh, index)
    assert {ref: world_of(fresh, ref) for ref in fresh.refs()} == mirror


@hypothesis.given(EVENTS)
def test_exactly_one_canary_acts_on_each_target(
    events: list[tuple[bool, dict[str, Any]]],
) -> None:
    """D-91: of all canaries that are accepted as they are written, no two have one target."""
    index = worlds.an_index()
    play(index, events)

    acting = [
        world_of(index, ref)["canary"]["spec"]["targetRef"]["name"]
        for ref in index.refs()
        if not any(problem.blocking for problem in admission_of(index, ref).problems)
    ]
    assert len(acting) == len(set(acting))


def test_kinds_of_two_meshes_with_one_plural_are_told_apart() -> None:
    """Istio and App Mesh both have VirtualServices: one of them is not drift of the other."""
    other = Resource("appmesh.k8s.aws", "v1beta2", "virtualservices", "VirtualService")
    raw = {"metadata": {"namespace": "prod", "name": "shop"}}
    ours = manifests.place(resources.VIRTUAL_SERVICES, raw)
    assert (str(ours), ours == manifests.place(other, raw)) == (
        "virtualservices/prod/shop",
        False,
    )


# --- what canaries share


TEMPLATES = resources.METRIC_TEMPLATES
REFERENCE = {"name": "errors", "namespace": "sre"}
METRIC = {"name": "errors", "templateRef": REFERENCE, "thresholdRange": {"max": 1}}


def a_template(query: str = "up", kind: str = "prometheus") -> dict[str, Any]:
    """The raw MetricTemplate errors.sre."""
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "errors", "namespace": "sre", "resourceVersion": "5"},
        "spec": {"provider": {"type": kind, "address": "http://prom.sre:9090"}, "query": query},
    }


def measured(*names: str) -> Index:
    """An index that knows canaries of these names, whose targets are there, with that template."""
    index = worlds.an_index()
    for name in names:
        see(index, worlds.a_deployment(name), worlds.a_canary(name, metrics=[METRIC]))
    return index


def test_a_template_is_in_the_worlds_of_all_canaries_that_name_it() -> None:
    """It is nobody's: canaries of any namespace share it, and its end concerns each of them."""
    index = measured("shop", "other")
    assert reasons(index) == reasons(index, OTHER) == [ProblemReason.TEMPLATE_NOT_FOUND]
    assert world_of(index)["templates"] == {}

    both = frozenset({"templates", "admission"})
    assert see(index, a_template()) == {SHOP: both, OTHER: both}
    view = TemplateView(kind="prometheus", address="http://prom.sre:9090", query="up")
    assert (
        world_of(index)["templates"] == world_of(index, OTHER)["templates"] == {"sre/errors": view}
    )
    assert reasons(index) == reasons(index, OTHER) == []

    assert lose(index, a_template()) == {SHOP: both, OTHER: both}
    assert world_of(index)["templates"] == {}


def test_an_edit_of_a_template_wakes_nobody_unless_the_judgement_changes() -> None:
    """It is used from the next check; one of no use is told at once."""
    index = measured("shop")
    see(index, a_template())
    changes = index.apply(TEMPLATES, WatchType.MODIFIED, a_template("down"))
    assert changes == {SHOP: {"templates": News.NONE}}
    assert see(index, a_template("down")) == {}

    changes = index.apply(TEMPLATES, WatchType.MODIFIED, a_template("{{ nobody }}"))
    assert changes == {SHOP: {"templates": News.NONE, "admission": News.DECIDES}}
    assert reasons(index) == [ProblemReason.INVALID_TEMPLATE]
    see(index, a_template(kind="datadog"))
    assert reasons(index) == [ProblemReason.NOT_CARRIED_OUT]


def test_a_canary_without_templates_knows_of_none() -> None:
    """Neither do its documents grow, nor does anybody else's template wake it."""
    index = worlds.an_index()
    see(index, worlds.a_canary())
    assert see(index, a_template()) == {}
    assert world_of(index)["templates"] is None


def test_a_template_that_a_canary_names_no_more_does_not_concern_it() -> None:
    """Who refers to what follows each edit."""
    index = measured("shop")
    see(index, a_template())
    see(index, worlds.a_canary(generation=2))
    assert world_of(index)["templates"] is None
    assert lose(index, a_template()) == {}


def test_templates_are_listed_before_or_after_their_canaries() -> None:
    """A list is as good as events; what is not in it is gone."""
    index = worlds.an_index()
    index.replace(TEMPLATES, [a_template()])
    see(index, worlds.a_deployment(), worlds.a_canary(metrics=[METRIC]))
    assert reasons(index) == []
    assert roles_of(index.replace(TEMPLATES, [])) == {SHOP: frozenset({"templates", "admission"})}
    assert reasons(index) == [ProblemReason.TEMPLATE_NOT_FOUND]
