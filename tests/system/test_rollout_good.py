"""A release on a real API server that goes well: everything it makes, says and shows.

Expected objects, texts and orders are the reference's. Not tested: how long it takes (scenarios).
"""

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.services import presence
from tests.system import manifests
from tests.system.manifests import Manifest
from tests.system.site import App, Site

FLUX: Final = {
    "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
    "helm.toolkit.fluxcd.io/driftDetection": "disabled",
}
ROUTE: Final[Manifest] = {
    "match": [{"uri": {"prefix": "/"}}],
    "rewrite": {"uri": "/v2"},
    "timeout": "30s",
    "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx"},
    "headers": {"request": {"add": {"x-some-header": "value"}}},
    "corsPolicy": {"allowOrigin": ["example.com"], "allowMethods": ["GET"]},
}
SERVICE: Final[Manifest] = {
    "portName": "web",
    "appProtocol": "http",
    "portDiscovery": True,
    "hosts": ["shop.example.com"],
    "gateways": ["istio-system/public-gateway", "mesh"],
    "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
    "canary": {"labels": {"tier": "edge"}},
    **ROUTE,
}


@pytest.fixture(scope="module")
def shop(site: Site) -> App:
    """An application after its first release, with all of `spec.service` and two hooks in use."""
    hooks = [
        {"name": "warm", "type": "pre-rollout", "url": site.receiver.url("/warm")},
        {"name": "load", "url": site.receiver.url("/load"), "metadata": {"cmd": "hey"}},
        {"name": "done", "type": "post-rollout", "url": site.receiver.url("/done")},
    ]
    app = site.app("shop").deploy(
        manifests.a_canary("shop", service=SERVICE, analysis={"webhooks": hooks}),
        _with_second_port(manifests.a_deployment("shop")),
    )
    app.release("registry.example/app:2")
    return app.until("Succeeded")


def test_traffic_moves_by_the_planned_weights_and_back(shop: App) -> None:
    """Step 40, maximum 80: 0, 40, 80, then all to the primary; nothing else is ever seen."""
    assert shop.weights() == [0, 40, 80, 0]


def test_the_phases_come_in_flaggers_order(shop: App) -> None:
    """A watch on the Canary sees each phase at most once, in order, and Progressing for sure."""
    order = ["Initializing", "Initialized", "Progressing", "Promoting", "Finalising", "Succeeded"]
    seen = [phase for phase in shop.phases() if phase]
    assert seen == [phase for phase in order if phase in seen]
    assert {"Initialized", "Progressing", "Succeeded"} <= set(seen)


def test_the_events_of_a_rollout_are_flaggers_letter_by_letter(shop: App) -> None:
    """Every Normal event since the change, in order; post-rollout before the promotion's end."""
    ns = shop.site.namespace
    said = shop.messages("Normal")
    assert said[said.index(f"New revision detected! Scaling up shop.{ns}") :] == [
        f"New revision detected! Scaling up shop.{ns}",
        f"Starting canary analysis for shop.{ns}",
        "Pre-rollout check warm passed",
        f"Advance shop.{ns} canary weight 40",
        f"Advance shop.{ns} canary weight 80",
        f"Copying shop.{ns} template spec to shop-primary.{ns}",
        "Routing all traffic to primary",
        "Post-rollout check done passed",
        f"Promotion completed! Scaling down shop.{ns}",
    ]
    assert {"all the metrics providers are available!", f"Initialization done! shop.{ns}"} <= {
        *said
    }


def test_hooks_are_told_who_calls_and_in_which_phase(shop: App) -> None:
    """pre-rollout once, rollout at each analysis of a weight, post-rollout once; one checksum."""
    receiver, who = shop.site.receiver, {"name": "shop", "namespace": shop.site.namespace}
    warm, load, done = (receiver.got(path) for path in ("/warm", "/load", "/done"))
    checksums = {call.pop("checksum") for call in (*warm, *load, *done)}
    assert warm == [{**who, "phase": "Progressing"}]
    assert load == [{**who, "phase": "Progressing", "metadata": {"cmd": "hey"}}] * 2
    assert done == [{**who, "phase": "Succeeded"}]
    assert len(checksums) == 1


def test_the_primary_runs_the_analysed_template_under_its_own_labels(shop: App) -> None:
    """The image that was analysed, the selector label of the primary, a flagger-id, our owner."""
    primary = shop.get("deployments", "shop-primary")
    pods = primary["spec"]["template"]
    assert shop.image(primary=True) == "registry.example/app:2"
    assert primary["spec"]["selector"]["matchLabels"] == {"app": "shop-primary"}
    assert pods["metadata"]["labels"] == {"app": "shop-primary"}
    assert "flagger-id" in pods["metadata"]["annotations"]
    assert (primary["spec"]["replicas"], shop.get("deployments")["spec"]["replicas"]) == (2, 0)
    assert primary["metadata"]["ownerReferences"] == [_owner(shop)]


@pytest.mark.parametrize(
    ("name", "selected", "labels"),
    [
        ("shop", "shop-primary", {"app": "shop"}),
        ("shop-primary", "shop-primary", {"app": "shop-primary"}),
        ("shop-canary", "shop", {"app": "shop-canary", "tier": "edge"}),
    ],
)
def test_the_three_services_are_flaggers_field_by_field(
    shop: App, name: str, selected: str, labels: dict[str, str]
) -> None:
    """Selector, labels, annotations, owner, and the ports, a discovered one included."""
    service = shop.get("services", name)
    assert service["spec"]["type"] == "ClusterIP"
    assert service["spec"]["selector"] == {"app": selected}
    assert service["spec"]["ports"] == [
        {"name": "web", "protocol": "TCP", "port": 80, "targetPort": 8080, "appProtocol": "http"},
        {"name": "metrics", "protocol": "TCP", "port": 9797, "targetPort": 9797},
    ]
    assert service["metadata"]["labels"] == labels
    assert service["metadata"]["annotations"] == FLUX
    assert service["metadata"]["ownerReferences"] == [_owner(shop)]


def test_the_virtual_service_is_flaggers_field_by_field(shop: App) -> None:
    """Hosts with the apex appended, the gateways given, one rule with all of spec.service.

    Destinations carry a port, for ports are discovered and the first gateway is not the mesh.
    """
    virtual_service = shop.get("virtualservices")
    port = {"number": 80}
    assert virtual_service["spec"] == {
        "hosts": ["shop.example.com", "shop"],
        "gateways": ["istio-system/public-gateway", "mesh"],
        "http": [
            {
                **ROUTE,
                "route": [
                    {"destination": {"host": "shop-primary", "port": port}, "weight": 100},
                    {"destination": {"host": "shop-canary", "port": port}, "weight": 0},
                ],
            }
        ],
    }
    assert virtual_service["metadata"]["annotations"] == FLUX
    assert virtual_service["metadata"].get("labels", {}) == {}
    assert virtual_service["metadata"]["ownerReferences"] == [_owner(shop)]


@pytest.mark.parametrize("name", ["shop-primary", "shop-canary"])
def test_the_destination_rules_are_flaggers_field_by_field(shop: App, name: str) -> None:
    """Host of its own name and the traffic policy; no labels, no annotations."""
    rule = shop.get("destinationrules", name)
    assert rule["spec"] == {"host": name, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}
    assert not rule["metadata"].get("labels")
    assert not rule["metadata"].get("annotations")
    assert rule["metadata"]["ownerReferences"] == [_owner(shop)]


def test_the_status_has_flaggers_fields(shop: App) -> None:
    """Phase, counters back at zero, equal hashes of one revision, the condition Promoted."""
    status = dict(shop.status())
    numbers = [status[key] for key in ("canaryWeight", "failedChecks", "iterations")]
    assert (status["phase"], numbers) == ("Succeeded", [0, 0, 0])
    assert status["lastAppliedSpec"] == status["lastPromotedSpec"] != ""
    condition = shop.condition("Promoted")
    assert (condition["status"], condition["reason"]) == ("True", "Succeeded")
    assert condition["message"] == ("Canary analysis completed successfully, promotion finished.")
    assert status["lastTransitionTime"].endswith("Z")


def test_kubectl_waits_for_the_condition_and_shows_the_columns(shop: App, tmp_path: Path) -> None:
    """`kubectl wait --for=condition=promoted` returns at once; `get` shows status and weight."""
    presence.require("kubectl")
    config = shop.site.plane.kubeconfig(tmp_path / "kubeconfig")
    kubectl = ["kubectl", f"--kubeconfig={config}", f"--namespace={shop.site.namespace}"]

    def run(*words: str) -> str:
        done = subprocess.run(
            [*kubectl, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "condition met" in run(
        "wait", "canary/shop", "--for=condition=promoted", "--timeout=30s"
    )
    header, row = run("get", "canaries", "shop").splitlines()
    assert header.split() == ["NAME", "STATUS", "WEIGHT", "LASTTRANSITIONTIME", "ACCEPTED"]
    assert row.split()[:3] == ["shop", "Succeeded", "0"]


def _owner(app: App) -> dict[str, Any]:
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "name": app.name,
        "uid": app.get("canaries")["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _with_second_port(deployment: Manifest) -> Manifest:
    ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    ports.append({"name": "metrics", "containerPort": 9797})
    return deployment
