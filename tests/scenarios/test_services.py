"""Options of Services through whole rollouts: headless, protocols, TCP, and Services taken over."""

from datetime import timedelta
from typing import Any, Final

from clients.kube import resources
from config.traffic import ALL_TO_PRIMARY
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

NAMES: Final = ("cart-app", "cart-app-primary", "cart-app-canary")


def served(**service: Any) -> dict[str, Any]:
    """The canary with these fields of `spec.service`."""
    return a_manifest(spec={"service": {"port": 80, **service}})


def service(stage: Stage, name: str) -> Any:
    """A Service as it is."""
    return stage.kube.get(resources.SERVICES, "shop", name)


def route(stage: Stage) -> Any:
    """The spec of the VirtualService."""
    return stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")["spec"]


def begin(stage: Stage, manifest: dict[str, Any]) -> None:
    """Applies a canary and its target."""
    stage.create(resources.DEPLOYMENTS, a_deployment())
    metadata = {"name": "cart", "namespace": "shop"}
    stage.create(resources.CANARIES, {**manifest, "metadata": metadata})


def test_headless_services_with_a_protocol_stay_so_through_a_rollout() -> None:
    """17: `clusterIP: None`, and `appProtocol` on the first port."""
    stage = initialized(served(headless=True, appProtocol="grpc", portName="grpc", targetPort=9))
    before = [service(stage, name)["spec"] for name in NAMES]
    for spec in before:
        assert spec["clusterIP"] == "None"
        assert spec["ports"] == [
            {
                "name": "grpc",
                "protocol": "TCP",
                "port": 80,
                "targetPort": 9,
                "appProtocol": "grpc",
            }
        ]
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))
    assert [service(stage, name)["spec"] for name in NAMES] == before


def test_connections_of_a_tcp_service_are_divided_step_by_step() -> None:
    """`spec.tcp` alone, whose weights rise and return."""
    stage = initialized(served(appProtocol="TCP", match=[{"port": 9000}]))
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    assert "http" not in route(stage)
    assert route(stage)["tcp"] == [
        {
            "match": [{"port": 9000}],
            "route": [
                {"destination": {"host": "cart-app-primary"}, "weight": 60},
                {"destination": {"host": "cart-app-canary"}, "weight": 40},
            ],
        }
    ]
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == [0, 20, 40, 60, 0]


def test_a_bad_release_of_a_tcp_service_loses_its_connections() -> None:
    """Rolled back like any other."""
    stage = initialized(served(appProtocol="tcp"))
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.meters.source = measuring.failing
    rollouts.rolled_back(rollouts.finish(stage))


def test_a_service_of_the_user_is_taken_over_once_the_primary_serves() -> None:
    """5: selector and ports; type, node ports, addresses and metadata stay, and it is not owned."""
    stage = Stage()
    mine = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "cart-app", "namespace": "shop", "labels": {"own": "1"}},
        "spec": {
            "type": "NodePort",
            "sessionAffinity": "ClientIP",
            "selector": {"app": "cart-app"},
            "ports": [{"name": "http", "port": 80, "nodePort": 30123}],
        },
    }
    stage.create(resources.SERVICES, mine)
    before = service(stage, "cart-app")["spec"]
    stage.kubelet.held.add("cart-app-primary")
    begin(stage, served())
    stage.wait(timedelta(minutes=1))
    assert stage.deployment("cart-app-primary")
    assert service(stage, "cart-app")["spec"] == before

    stage.kubelet.held.clear()
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    after = service(stage, "cart-app")
    assert after["metadata"]["labels"] == {"own": "1"}
    assert "ownerReferences" not in after["metadata"]
    assert after["spec"] == {
        **before,
        "selector": {"app": "cart-app-primary"},
        "ports": [
            {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": 30123}
        ],
    }
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))
    assert service(stage, "cart-app")["spec"] == after["spec"]
    assert stage.split == ALL_TO_PRIMARY
