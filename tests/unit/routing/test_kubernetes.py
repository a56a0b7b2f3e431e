"""Provider kubernetes: no mesh object, and the apex Service selects one of the sides.

Expected values are Flagger's rules: the apex Service selects the primary, whatever is analysed. It
selects the canary after a failed promotion alone (D-11).
"""

from dataclasses import replace
from typing import Any

import pytest

from clients.documents.outcome import Applied
from clients.kube import resources
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, Affinity, TrafficSplit
from routing import registry
from routing.router import ServiceRole, UnreadableRoute
from tests.outcomes import wrote
from tests.unit.routing.canaries import FLUX, OWNER, a_canary
from tests.unit.routing.worlds import World

ROUTER = registry.ROUTERS.named("kubernetes")
PRIMARY, CANARY, APEX = ServiceRole.PRIMARY, ServiceRole.CANARY, ServiceRole.APEX


@pytest.fixture
def world() -> World:
    """A cluster without a mesh, and a canary that nothing was made for yet."""
    return World(a_canary(spec={"provider": "kubernetes"}))


def selector(world: World, role: str) -> Any:
    """What a Service selects."""
    service = world.in_cluster(role)
    return service and service["spec"]["selector"]


def in_force(world: World) -> TrafficSplit | None:
    """The split that the cluster's Services say."""
    return ROUTER.parse(world.canary, {role: world.in_cluster(role) for role in ServiceRole})


def test_only_services_are_made_and_the_apex_comes_last(world: World) -> None:
    """6: no routing object; the order of creation is canary, primary, apex."""
    assert wrote(world.apply(ALL_TO_PRIMARY))
    assert world.requests() == [f"create services/shop{end}" for end in ("-canary", "-primary", "")]
    apex = world.in_cluster(APEX)
    assert apex is not None
    assert {key: apex["metadata"][key] for key in ("labels", "annotations")} == {
        "labels": {"app": "shop"},
        "annotations": FLUX,
    }
    assert apex["metadata"]["ownerReferences"] == [OWNER]
    assert apex["spec"]["selector"] == {"app": "shop-primary"}
    assert world.kube.list(resources.VIRTUAL_SERVICES).items == ()


def test_all_traffic_is_led_to_either_side_with_one_write(world: World) -> None:
    """D-11: after a failed promotion the apex selects pods that serve."""
    world.exposed(ALL_TO_PRIMARY)
    assert in_force(world) == ALL_TO_PRIMARY
    for split, value in ((ALL_TO_CANARY, "shop"), (ALL_TO_PRIMARY, "shop-primary")):
        assert wrote(world.apply(split))
        assert world.requests() == ["patch services/shop"]
        assert selector(world, APEX) == {"app": value}
        assert in_force(world) == split
        world.observe()
        assert world.apply(split) == Applied()
    assert selector(world, PRIMARY) == {"app": "shop-primary"}
    assert selector(world, CANARY) == {"app": "shop"}


def test_traffic_returns_to_the_primary_though_the_target_is_gone(world: World) -> None:
    """Of a target that is not there no Service can be made; its primary's selector is known."""
    world.exposed(ALL_TO_CANARY)
    assert wrote(world.apply(ALL_TO_PRIMARY, target=None))
    assert world.requests() == ["patch services/shop"]
    assert in_force(world) == ALL_TO_PRIMARY


def test_an_apex_service_of_a_user_is_taken_over_as_it_is(world: World) -> None:
    """5: selector and ports are set; type, cluster IP, node ports and metadata stay."""
    user = {
        "metadata": {"name": "shop", "namespace": "prod", "labels": {"own": "1"}},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "shop"},
            "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
        },
    }
    world.create(APEX, user)
    world.observe()
    before = world.in_cluster(APEX)
    assert before is not None
    assert wrote(world.apply(ALL_TO_PRIMARY))
    after = world.in_cluster(APEX)
    assert after is not None
    assert after["metadata"]["labels"] == {"own": "1"}
    assert "ownerReferences" not in after["metadata"]
    assert after["spec"]["type"] == "NodePort"
    assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert after["spec"]["ports"] == [
        {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": 30080}
    ]
    assert after["spec"]["selector"] == {"app": "shop-primary"}


def test_an_apex_service_that_selects_something_else_shows_no_split(world: World) -> None:
    """It is brought back: nobody's requests are led to strangers."""
    world.exposed(ALL_TO_PRIMARY)
    world.edit(APEX, {"spec": {"selector": {"app": "db"}}})
    with pytest.raises(UnreadableRoute, match="selects neither the primary nor the canary"):
        in_force(world)
    world.observe()
    assert wrote(world.apply(ALL_TO_PRIMARY))
    assert in_force(world) == ALL_TO_PRIMARY


def test_without_an_apex_service_there_is_no_split(world: World) -> None:
    """Nothing is in force before the primary is exposed."""
    assert in_force(world) is None


def test_a_cookie_of_a_former_mesh_keeps_nobody_at_a_dead_primary(world: World) -> None:
    """There is none to take it back; the apex Service selects the side that serves all the same."""
    past = replace(ALL_TO_CANARY, affinity=Affinity(expired="side=new"))
    assert wrote(world.apply(past))
    assert selector(world, APEX) == {"app": "shop"}
    assert in_force(world) == ALL_TO_CANARY
