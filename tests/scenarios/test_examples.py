"""Every example of the reference, applied as it stands and brought to the end that it promises.

A release is made, and everything is healthy: the weights and all that is told are written from the
reference. What cannot be carried out yet says so, with field, value and what is allowed. Left to
other files: that a real API server takes them (tests/contract/test_crds), the articles'
(test_articles).
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

import pytest

from analysis.findings import Measurement, Sample
from analysis.metrics.checks import Check
from clients.kube import resources
from tests.stage import measuring, pasted
from tests.stage.pasted import MANIFESTS, Pasted

TEMPLATES: Final = "metrictemplate-and-alertprovider"
OTHERS: Final = {TEMPLATES, "metrictemplate-with-a-token"}
"""No canaries; one of the examples names the template and the provider of the former."""
HOOK: Final = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "team-chat-hook", "namespace": "shop"},
    "data": {"address": base64.b64encode(b"https://chat.example/hook").decode()},
}
"""What that provider names."""


def begins(target: str, *hooks: str) -> list[str]:
    """What a rollout begins with."""
    starting = f"Starting canary analysis for {target}.shop"
    return [f"New revision detected! Scaling up {target}.shop", starting, *hooks]


def steps(name: str, *weights: int) -> list[str]:
    """Steps of weight."""
    return [f"Advance {name}.shop canary weight {weight}" for weight in weights]


def iterations(name: str, number: int) -> list[str]:
    """Iterations."""
    return [f"Advance {name}.shop canary iteration {i + 1}/{number}" for i in range(number)]


def ends(target: str, *, routed: bool = True) -> list[str]:
    """What a promotion ends with; without a mesh no traffic moves."""
    return [
        f"Copying {target}.shop template spec to {target}-primary.shop",
        *(["Routing all traffic to primary"] if routed else []),
        f"Promotion completed! Scaling down {target}.shop",
    ]


End = tuple[Sequence[int], Sequence[str]]

ENDS: Final[Mapping[str, End]] = {
    "weight-steps-up-to-a-maximum": (
        [0, 15, 30, 45, 60, 0],
        [
            *begins("cart", "Pre-rollout check smoke passed"),
            *steps("cart", 15, 30, 45, 60),
            *ends("cart"),
        ],
    ),
    "blue-green-without-a-mesh": (
        [0],
        [
            "Confirm-rollout check gate passed",
            *begins("billing", "Pre-rollout check acceptance passed"),
            *iterations("billing", 6),
            *ends("billing", routed=False),
        ],
    ),
    "blue-green-with-mirrored-traffic": (
        [0, 100, 0],
        [
            *begins("quotes"),
            *iterations("quotes", 10),
            "Stop traffic mirroring and route all traffic to canary",
            *ends("quotes"),
        ],
    ),
    "weight-steps-preceded-by-one-mirror-step-istio": (
        [0, 20, 40, 60, 80, 0],
        [*begins("pricing"), *steps("pricing", 0, 20, 40, 60, 80), *ends("pricing")],
    ),
    "canary-without-analysis": (
        [0],
        [
            "New revision detected! Scaling up mailer.shop",
            "Copying mailer.shop template spec to mailer-primary.shop",
            "Promotion completed! Canary analysis was skipped for mailer.shop",
        ],
    ),
    "daemonset": (
        [0],
        [
            *begins("node-proxy"),
            *iterations("node-proxy", 4),
            *ends("node-proxy", routed=False),
        ],
    ),
    "kubernetes-service-as-target": (
        [0, 25, 50, 75, 0],
        [*begins("legacy"), *steps("legacy", 25, 50, 75), *ends("legacy")],
    ),
    "with-a-horizontalpodautoscaler": (
        [0, 10, 20, 30, 40, 50, 0],
        [*begins("orders"), *steps("orders", 10, 20, 30, 40, 50), *ends("orders")],
    ),
    "with-a-keda-scaledobject": (
        [0],
        [
            *begins("worker-api"),
            *iterations("worker-api", 5),
            *ends("worker-api", routed=False),
        ],
    ),
    "knative-service": (
        [0, 20, 40, 60, 0],
        [*begins("thumbs"), *steps("thumbs", 20, 40, 60), *ends("thumbs")],
    ),
    "header-users-beside-weights": (
        [0, 5, 15, 30, 60, 0],
        [*begins("podinfo"), *steps("podinfo", 5, 15, 30, 60), *ends("podinfo")],
    ),
    "a-b-testing": (
        [0, 100, 0],
        [*begins("web"), *iterations("web", 12), *ends("web")],
    ),
    "older-analysis-key": (
        [0, *range(5, 55, 5), 0],
        [*begins("frontend"), *steps("frontend", *range(5, 55, 5)), *ends("frontend")],
    ),
}

LATER: Final[Mapping[str, str]] = {
    "explicit-weights-and-stepped-promotion": (
        'spec.provider: "gatewayapi:v1": is not carried out by this version; '
        "carried out: istio, knative, kubernetes"
    ),
    "session-affinity": (
        'spec.provider: "gatewayapi:v1": is not carried out by this version; '
        "carried out: istio, knative, kubernetes"
    ),
    "gates-rollback-switch-ingress": (
        'spec.ingressRef: "store": is not carried out by this version; '
        "carried out: canaries without it\n"
        'spec.provider: "nginx": is not carried out by this version; '
        "carried out: istio, knative, kubernetes"
    ),
}


def all_well(check: Check) -> Measurement:
    """Good numbers for whatever is asked, none of the errors that the template counts."""
    return Sample(0.0) if check.metric == "checkout-errors" else measuring.healthy(check)


def test_each_example_has_its_end() -> None:
    """None is left out."""
    files = {file.stem for file in MANIFESTS.glob("*.yaml")}
    assert files == {*ENDS, *LATER, *OTHERS}


@pytest.mark.parametrize("name", ENDS)
def test_an_example_comes_to_the_end_that_it_promises(name: str) -> None:
    """Its weights, and all that is told of its rollout, letter by letter."""
    weights, told = ENDS[name]
    stage = Pasted(pasted.canary(name))
    named = pasted.documents(TEMPLATES)
    stage.kube.create(resources.NAMESPACES, None, {"metadata": {"name": "monitoring"}})
    stage.create(resources.SECRETS, HOOK)
    stage.meters.source = all_well
    stage.initialize(*named).release_next().finish()

    assert stage.phase() == "Succeeded"
    assert stage.weights == weights
    assert stage.told() == told
    assert stage.condition("Accepted")["status"] == "True"


@pytest.mark.parametrize("name", LATER)
def test_an_example_that_cannot_be_carried_out_says_why(name: str) -> None:
    """In the condition; and nothing is made of it."""
    stage = Pasted(pasted.canary(name)).paste()
    stage.settle()

    accepted = stage.condition("Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "NotCarriedOut")
    assert LATER[name] in accepted["message"]
    target = stage.target["name"]
    assert not [
        each["metadata"]["name"]
        for resource in (pasted.RESOURCES["apps", "Deployment"], pasted.RESOURCES["", "Service"])
        for each in stage.kube.list(resource).items
        if each["metadata"]["namespace"] == "shop" and each["metadata"]["name"] != target
    ]
