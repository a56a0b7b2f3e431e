"""A revision says what runs: the same for a target and its primary, another for another release."""

import copy
import json
import uuid
from typing import Any, Final

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workloads.deployments import (
    COPYING,
    KEYS,
    POD_ID,
    a_canary,
    a_target,
    a_template,
    spread,
)
from workloads import deployment, primary, revision

GOLDEN: Final = "6001666fd3fd6f6f441f"
NAMES: Final = st.sampled_from(("podinfo", "podinfo-primary", "other", "podinfo-primary-primary"))
LABEL_KEYS: Final = st.sampled_from((*KEYS, "tier", "x.toolkit.fluxcd.io/y"))
LABELS: Final = st.dictionaries(LABEL_KEYS, NAMES, max_size=4)
SELECTORS: Final = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": LABELS,
        "matchExpressions": st.lists(
            st.fixed_dictionaries(
                {"key": LABEL_KEYS, "operator": st.sampled_from(("In", "Exists"))},
                optional={"values": st.lists(NAMES, max_size=3)},
            ),
            max_size=3,
        ),
    },
)
TERMS: Final = st.lists(
    st.fixed_dictionaries({"topologyKey": st.just("host")}, optional={"labelSelector": SELECTORS}),
    max_size=2,
)
ANTI: Final = st.fixed_dictionaries(
    {},
    optional={
        "requiredDuringSchedulingIgnoredDuringExecution": TERMS,
        "preferredDuringSchedulingIgnoredDuringExecution": TERMS.map(
            lambda terms: [{"weight": 1, "podAffinityTerm": term} for term in terms]
        ),
    },
)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
TEMPLATES: Final = st.builds(
    lambda labels, annotations, pod, rest: {
        "metadata": {"labels": {**labels, "app": "podinfo"}, "annotations": annotations},
        "spec": {**rest, **pod},
    },
    labels=LABELS,
    annotations=st.none()
    | st.dictionaries(st.sampled_from(("flagger-id", "a", "b.toolkit.fluxcd.io")), st.text()),
    pod=st.fixed_dictionaries(
        {},
        optional={
            "topologySpreadConstraints": TERMS,
            "affinity": st.fixed_dictionaries(
                {}, optional={"podAntiAffinity": ANTI, "podAffinity": ANTI}
            ),
        },
    ),
    rest=st.dictionaries(st.sampled_from(("tolerations", "volumes", "unknown")), JSON, max_size=3),
)


def of(target: dict[str, Any]) -> Any:
    """The revision in the view of a Deployment."""
    return deployment.project(target, KEYS).revision


def the_primary(target: dict[str, Any], name: str = "podinfo") -> dict[str, Any]:
    """The primary made from `target`."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    label = deployment.project(target, KEYS).selector_label
    assert label is not None
    canary = a_canary(targetRef=reference)
    return primary.create(canary, target, label, COPYING, pod_id=POD_ID)


@given(template=TEMPLATES)
def test_a_primary_has_the_revision_of_the_target_it_was_made_from(
    template: dict[str, Any],
) -> None:
    """Whatever the template says, its own and other primaries' names included."""
    target = a_target(template)
    assert of(target) == of(the_primary(target))


@given(template=TEMPLATES)
def test_a_promoted_primary_has_the_revision_of_its_target(template: dict[str, Any]) -> None:
    """Whatever the primary was before."""
    target, before = a_target(template), the_primary(a_target())
    patch = primary.promote(a_canary(), target, ("app", "podinfo"), COPYING, pod_id=POD_ID)
    assert of(target) == of(jsonpatch.apply_patch(before, patch))


def test_a_target_may_itself_be_called_primary() -> None:
    """A name is no proof of being a copy."""
    template = a_template(**spread("db-primary"))
    template["metadata"]["labels"]["app"] = "db-primary"
    target = a_target(
        template,
        metadata={"name": "db-primary"},
        selector={"matchLabels": {"app": "db-primary"}},
    )
    made = the_primary(target, "db-primary")
    assert made["metadata"]["name"] == "db-primary-primary"
    assert of(target) == of(made)


@given(template=TEMPLATES, order=st.randoms(use_true_random=False))
def test_a_revision_does_not_depend_on_the_order_of_keys(template: Any, order: Any) -> None:
    """JSON objects are unordered."""

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            order.shuffle(items)
            return {key: shuffled(item) for key, item in items}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    assert revision.revision_of(shuffled(template)) == revision.revision_of(template)


def test_the_values_of_revisions_never_change() -> None:
    """D-34: another value after an upgrade would be a release of every canary at once."""
    template = {
        "metadata": {"labels": {"app": "podinfo"}},
        "spec": {"containers": [{"image": "podinfo:1", "name": "podinfod", "tty": None}]},
    }
    assert revision.revision_of(template) == GOLDEN


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("metadata", "creationTimestamp"), "2026-01-01T00:00:00Z"),
        (("metadata", "annotations", "flagger-id"), "another"),
        (("metadata", "annotations", "reconcile.toolkit.fluxcd.io/at"), "2"),
        (("metadata", "labels", "kustomize.toolkit.fluxcd.io/name"), "y"),
        (("spec", "nodeName"), None),
    ],
)
def test_what_is_never_copied_or_says_nothing_is_no_release(path: Any, value: Any) -> None:
    """6.1 and 5.1: toolkit keys, the primary's own mark, nulls."""
    assert revision.revision_of(changed(path, value)) == revision.revision_of(a_template())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "containers"), [{"name": "podinfod", "image": "podinfo:2"}]),
        (("spec", "futureField"), 1),
        (("spec", "hostNetwork"), False),
        (("metadata", "labels", "tier"), "backend"),
        (("metadata", "annotations", "kubectl.kubernetes.io/restartedAt"), "now"),
        (("metadata", "finalizers"), ["a/b"]),
        (("spec", "affinity"), {"podAntiAffinity": {}}),
    ],
)
def test_every_change_that_pods_can_feel_is_a_release(path: Any, value: Any) -> None:
    """13: also a template annotation, which is how a failed release is tried again."""
    assert revision.revision_of(changed(path, value)) != revision.revision_of(a_template())


def test_the_order_of_lists_matters() -> None:
    """Containers, arguments and tolerations are ordered."""
    first, second = {"name": "a"}, {"name": "b"}
    forth = revision.revision_of(a_template(containers=[first, second]))
    assert forth != revision.revision_of(a_template(containers=[second, first]))


@given(template=TEMPLATES)
def test_nothing_given_is_changed(template: dict[str, Any]) -> None:
    """Views are made from objects that others hold."""
    target = a_target(template)
    before = copy.deepcopy(target)
    of(target)
    the_primary(target)
    assert target == before
    assert json.dumps(target)


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The template with one thing different."""
    template = a_template()
    inner: Any = template
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return template


def test_each_revision_marks_the_pods_of_a_primary_in_its_own_way() -> None:
    """Always in the same way: a copy that is made twice is one, and starts no pod anew."""
    marks = [revision.pod_id(each) for each in ("a" * 20, "b" * 20, "a" * 20)]
    assert marks[0] == marks[2] != marks[1]
    assert [str(uuid.UUID(each)) for each in marks] == marks
