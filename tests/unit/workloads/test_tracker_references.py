"""Which ConfigMaps and Secrets a pod template names, from the reference's table, and renamed.

Not here: what they hold (test_tracker_objects), and what a change of them comes to
(tests/scenarios/test_configs.py).
"""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.documents.configs import ConfigKind, ConfigRef
from workloads import revision, tracker_references

CONFIG_MAP, SECRET = ConfigKind.CONFIG_MAP, ConfigKind.SECRET

SOURCES: dict[str, tuple[dict[str, Any], ConfigKind]] = {
    "volume of a ConfigMap": (
        {"volumes": [{"name": "v", "configMap": {"name": "x"}}]},
        CONFIG_MAP,
    ),
    "volume of a Secret": (
        {"volumes": [{"name": "v", "secret": {"secretName": "x"}}]},
        SECRET,
    ),
    "projected ConfigMap": (
        {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "x"}}]}}]},
        CONFIG_MAP,
    ),
    "projected Secret": (
        {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "x"}}]}}]},
        SECRET,
    ),
    **{
        f"{field} of {containers}": (
            {containers: [{"name": "c", **holder}]},
            kind,
        )
        for containers in ("containers", "initContainers")
        for field, holder, kind in (
            (
                "configMapKeyRef",
                {
                    "env": [
                        {"name": "E", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "k"}}}
                    ]
                },
                CONFIG_MAP,
            ),
            (
                "secretKeyRef",
                {"env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}]},
                SECRET,
            ),
            ("configMapRef", {"envFrom": [{"configMapRef": {"name": "x"}}]}, CONFIG_MAP),
            ("secretRef", {"envFrom": [{"secretRef": {"name": "x"}}]}, SECRET),
        )
    },
}

NOT_SCANNED: dict[str, dict[str, Any]] = {
    "image pull secrets": {"imagePullSecrets": [{"name": "x"}]},
    "CSI volumes": {
        "volumes": [{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "x"}}}]
    },
    "ephemeral containers": {
        "ephemeralContainers": [{"name": "c", "envFrom": [{"secretRef": {"name": "x"}}]}]
    },
    "tokens of service accounts": {
        "volumes": [
            {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "x"}}]}}
        ]
    },
    "plain values": {"containers": [{"name": "c", "env": [{"name": "x", "value": "x"}]}]},
    "fields of the pod": {
        "containers": [
            {"name": "c", "env": [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}
        ]
    },
}


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_source_of_the_reference_is_scanned(source: str) -> None:
    """Lifecycle 6.3, "sources scanned"; and what is scanned is what is renamed."""
    pod, kind = SOURCES[source]
    assert tracker_references.referenced(pod) == (ConfigRef(kind, "x"),)

    other = tracker_references.renamed(pod, lambda ref: f"{ref.name}-primary")
    assert tracker_references.referenced(other) == (ConfigRef(kind, "x-primary"),)


@pytest.mark.parametrize("source", sorted(NOT_SCANNED))
def test_nothing_else_is(source: str) -> None:
    """Lifecycle 6.3, "not scanned"."""
    pod = NOT_SCANNED[source]
    assert tracker_references.referenced(pod) == ()
    assert tracker_references.renamed(pod, lambda ref: f"{ref.name}-primary") == pod


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_a_reference_is_optional_when_each_mention_of_it_is(
    first: bool, second: bool, expected: bool
) -> None:
    """A pod does not start without it otherwise, whichever mention comes last."""
    mentions = [{"configMapRef": {"name": "x", "optional": each}} for each in (first, second)]
    pod = {"containers": [{"name": "c", "envFrom": mentions}]}
    assert tracker_references.referenced(pod) == (ConfigRef(CONFIG_MAP, "x", expected),)


NAMES = st.sampled_from(["a", "b", "c-primary"])
HOLDERS = st.fixed_dictionaries(
    {},
    optional={
        "envFrom": st.lists(
            st.one_of(
                st.builds(lambda name: {"configMapRef": {"name": name}}, NAMES),
                st.builds(lambda name: {"secretRef": {"name": name, "optional": True}}, NAMES),
            )
        ),
        "env": st.lists(
            st.builds(
                lambda name: {"name": "E", "valueFrom": {"secretKeyRef": {"name": name}}}, NAMES
            )
        ),
        "image": st.just("app:1"),
    },
)
PODS = st.fixed_dictionaries(
    {"containers": st.lists(HOLDERS)},
    optional={
        "initContainers": st.lists(HOLDERS),
        "volumes": st.lists(
            st.one_of(
                st.builds(lambda name: {"secret": {"secretName": name}}, NAMES),
                st.builds(lambda name: {"configMap": {"name": name}}, NAMES),
                st.just({"emptyDir": {}}),
            )
        ),
    },
)
asserted = Counter[str]()


@given(pod=PODS)
def test_renaming_changes_names_and_nothing_else(pod: dict[str, Any]) -> None:
    """There and back is where one was; and a primary has the template revision of its target."""
    there = tracker_references.renamed(pod, lambda ref: f"{ref.name}-primary")
    back = tracker_references.renamed(there, lambda ref: ref.name.removesuffix("-primary"))
    assert back == pod
    named = [(ref.kind, f"{ref.name}-primary") for ref in tracker_references.referenced(pod)]
    assert sorted(named) == sorted(
        (ref.kind, ref.name) for ref in tracker_references.referenced(there)
    )
    asserted["any"] += bool(named)
    revisions = {
        revision.workload_revision({"spec": each}, "app", "app", ("app",)) for each in (pod, there)
    }
    assert len(revisions) == 1


def test_the_property_was_about_something() -> None:
    """Enough of the generated templates name something."""
    test_renaming_changes_names_and_nothing_else()
    assert asserted["any"] >= 30
