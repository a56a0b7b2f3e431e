"""The compact view of a Deployment holds what decisions need, and survives whatever is real."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.documents import world as worlds
from clients.documents.world import (
    Condition,
    ContainerPort,
    WorkloadStatus,
    WorkloadView,
    World,
)
from tests.unit.workloads.deployments import KEYS, a_target, a_template
from workloads import deployment, primary, revision

CONTAINERS: Final = [
    {
        "name": "app",
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"containerPort": 9797},
        ],
    },
    {"name": "istio-proxy", "ports": [{"name": "envoy", "containerPort": 15090}]},
    {"name": "envoy", "ports": [{"containerPort": 9901}]},
    {"name": "quiet"},
    {"name": "none", "ports": None},
]
STATUS: Final = {
    "observedGeneration": 7,
    "replicas": 3,
    "updatedReplicas": 2,
    "availableReplicas": 1,
    "readyReplicas": 1,
    "unavailableReplicas": 2,
    "conditions": [
        {
            "type": "Available",
            "status": "False",
            "reason": "MinimumReplicasUnavailable",
            "message": "not kept",
            "lastUpdateTime": "2026-03-01T12:00:00Z",
            "lastTransitionTime": "2026-03-01T11:00:00Z",
        }
    ],
}


def test_a_view_holds_every_field_that_is_decided_from() -> None:
    """Written down by hand; messages, versions and bookkeeping stay out: they only make noise."""
    template = a_template(containers=CONTAINERS, initContainers=[{"name": "i", "ports": [{}]}])
    raw = a_target(
        template,
        metadata={
            "uid": "d1",
            "generation": 8,
            "resourceVersion": "5",
            "managedFields": [{}],
            "ownerReferences": [
                {"uid": "x"},
                {"kind": "Canary", "name": "podinfo", "uid": "o1", "controller": True},
            ],
        },
        status=STATUS,
    )
    assert deployment.project(raw, KEYS) == WorkloadView(
        name="podinfo",
        namespace="test",
        uid="d1",
        generation=8,
        controller="o1",
        owner="Canary podinfo",
        replicas=3,
        revision=revision.revision_of(template),
        selector_label=("app", "podinfo"),
        ports=(ContainerPort("app", 0, "http", 8080), ContainerPort("app", 1, None, 9797)),
        pod_id="of-old",
        status=WorkloadStatus(
            observed_generation=7,
            replicas=3,
            updated_replicas=2,
            available_replicas=1,
            conditions=(
                Condition(
                    "Available", "False", "MinimumReplicasUnavailable", "2026-03-01T12:00:00Z"
                ),
            ),
        ),
    )


def test_a_deployment_nobody_has_looked_at_yet_has_a_view() -> None:
    """No status, no uid, no replicas: what a manifest says before the API server fills it in."""
    raw = {"metadata": {"name": "a", "namespace": "b"}, "spec": {"template": {}}}
    view = deployment.project(raw, KEYS)
    assert view.status == WorkloadStatus(0, 0, 0, 0, ())
    assert (view.generation, view.uid, view.controller) == (0, "", "")
    assert (view.replicas, view.selector_label) == (1, None)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"app": "a", "name": "b"}, ("app", "a")),
        ({"app.kubernetes.io/name": "c", "name": "b"}, ("name", "b")),
        ({"app.kubernetes.io/name": "c", "tier": "x"}, ("app.kubernetes.io/name", "c")),
        ({"tier": "x"}, None),
        (None, None),
    ],
)
def test_the_selector_label_is_the_first_candidate_there_is(labels: Any, expected: Any) -> None:
    """8.5 of the CRD reference: in the order of the candidates, not of the labels."""
    raw = a_target(selector={"matchLabels": labels})
    assert deployment.project(raw, KEYS).selector_label == expected


def test_a_missing_selector_label_is_told_in_flagger_s_words() -> None:
    """8.5, 23: every candidate is named."""
    view = deployment.project(a_target(selector={"matchLabels": {"tier": "web"}}), KEYS)
    assert view.selector_label is None
    assert primary.no_selector_label(view, "Deployment", KEYS) == (
        "getSelectorLabel failed: deployment podinfo.test spec.selector.matchLabels must contain "
        "one of [app name app.kubernetes.io/name]"
    )


def optional(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have some of `fields`, or null in their place."""
    return st.fixed_dictionaries(
        {}, optional={name: st.none() | values for name, values in fields.items()}
    )


TEXT: Final = st.sampled_from(("", "a", "podinfo", "x" * 253))
TEXTS: Final = st.dictionaries(st.sampled_from((*KEYS, "b")), TEXT, max_size=4)
COUNT: Final = st.integers(0, 2**31 - 1)
PORT: Final = st.builds(
    lambda number, rest: {"containerPort": number, **rest}, COUNT, optional(name=TEXT)
)
CONTAINER: Final = st.builds(
    lambda name, rest: {"name": name, **rest},
    st.sampled_from(("app", "envoy")),
    optional(ports=st.lists(PORT, max_size=2), image=TEXT),
)
CONDITION: Final = st.builds(
    lambda kind, rest: {"type": kind, **rest},
    st.sampled_from(("Available", "Progressing", "ReplicaFailure")),
    optional(status=TEXT, reason=TEXT, lastUpdateTime=st.just("2026-03-01T12:00:00Z")),
)
DEPLOYMENTS: Final = st.builds(
    lambda metadata, rest: {"metadata": {"name": "d", "namespace": "n", **metadata}, **rest},
    optional(
        uid=TEXT,
        generation=COUNT,
        labels=TEXTS,
        annotations=TEXTS,
        ownerReferences=st.lists(
            st.builds(lambda flag: {"uid": "u", **flag}, optional(controller=st.booleans())),
            max_size=2,
        ),
    ),
    optional(
        spec=optional(
            replicas=COUNT,
            selector=optional(matchLabels=TEXTS, matchExpressions=st.lists(st.just({}))),
            template=optional(
                metadata=optional(labels=TEXTS, annotations=TEXTS),
                spec=optional(
                    containers=st.lists(CONTAINER, max_size=3),
                    topologySpreadConstraints=st.lists(optional(labelSelector=optional())),
                    affinity=optional(podAntiAffinity=optional(), podAffinity=optional()),
                ),
            ),
        ),
        status=optional(
            observedGeneration=COUNT,
            replicas=COUNT,
            updatedReplicas=COUNT,
            availableReplicas=COUNT,
            conditions=st.lists(CONDITION, max_size=3),
        ),
    ),
)


@given(raw=DEPLOYMENTS)
def test_every_deployment_of_an_api_server_s_shape_has_a_view(raw: dict[str, Any]) -> None:
    """Whatever is absent or null; and the view comes out of Redis as it went in."""
    world = World(target=deployment.project(raw, KEYS))
    assert worlds.decode(worlds.encode(world), str(worlds.VERSION)) == world
