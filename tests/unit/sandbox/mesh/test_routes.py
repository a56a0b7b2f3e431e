"""Which rule of a VirtualService a request meets, by its query."""

import pytest

from sandbox.mesh import routes
from sandbox.mesh.world import Address
from tests.unit.sandbox.mesh.worlds import a_split, a_virtual_service

APEX = Address("test", "podinfo")


@pytest.mark.parametrize(
    ("path", "is_chosen"),
    [
        ("/a?beta=1", True),
        ("/a?x=2&beta=1", True),
        ("/a?beta=2", False),
        ("/a?beta=", False),
        ("/a", False),
        ("/b?beta=1", False),
    ],
)
def test_a_request_is_chosen_by_its_query_beside_its_path(path: str, is_chosen: bool) -> None:
    """The path of a condition is what stands before the question mark, as in Istio."""
    condition = {"uri": {"exact": "/a"}, "queryParams": {"beta": {"exact": "1"}}}
    live = a_virtual_service(a_split(0, 100, match=[condition]), a_split(100, 0))
    route = routes.choose(live, routes.Request(APEX, path, "GET", {}))
    assert route
    assert route.weights[Address("test", "podinfo-canary")] == (100 if is_chosen else 0)


def test_a_subset_is_not_taken_for_its_host() -> None:
    """Divided by pods, a canary would get requests that its weight does not give it."""
    live = a_virtual_service(
        {"route": [{"destination": {"host": "podinfo", "subset": "canary"}, "weight": 100}]}
    )
    with pytest.raises(routes.UnknownMatchError, match="subset 'canary' of a host is not known"):
        routes.choose(live, routes.Request(APEX, "/", "GET", {}))
