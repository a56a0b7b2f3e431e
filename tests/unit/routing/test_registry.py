"""Provider names to routers."""

from typing import Any

import pytest

from routing import registry
from routing.router import ServiceRole
from tests.unit.routing.canaries import a_canary


@pytest.mark.parametrize("provider", ["istio", "smi:istio"])
def test_istio_and_its_alias_select_istio(provider: str) -> None:
    """The alias of older guides means Istio."""
    assert registry.ROUTERS.named(provider).name == "istio"


@pytest.mark.parametrize("provider", ["linkerd", "gatewayapi", "Istio", ""])
def test_a_provider_without_a_router_is_refused_with_the_known_ones(provider: str) -> None:
    """D-94: there is no fallback to Istio; the message says what is possible."""
    with pytest.raises(
        registry.NoRouter, match="has no router; known are istio, knative, kubernetes"
    ) as refused:
        registry.ROUTERS.named(provider)
    assert repr(provider) in str(refused.value)


def test_the_canarys_provider_goes_before_the_controllers() -> None:
    """The default counts only where the manifest names none."""
    assert registry.ROUTERS.chosen(a_canary(spec={"provider": "istio"}), "nginx").name == "istio"
    assert registry.ROUTERS.chosen(a_canary(), "istio").name == "istio"
    with pytest.raises(registry.NoRouter, match="nginx"):
        registry.ROUTERS.chosen(a_canary(), "nginx")


@pytest.mark.parametrize("name", registry.ROUTERS.by_name)
def test_a_router_writes_what_it_says_it_does(name: str) -> None:
    """Watches and rights follow from `writes`: an object beyond it would be neither."""
    router = registry.ROUTERS.by_name[name]
    forms: list[dict[str, Any]] = [
        {},
        *({option: True} for option in router.options & {"delegation", "subsets"}),
    ]
    canaries = [a_canary(spec={"provider": name}, **form) for form in forms]
    managed = [each for canary in canaries for each in router.resources(canary)]
    assert {each.role: each.resource for each in managed} == dict(router.writes)
    assert router.name == name
    assert router.carrier in {None, ServiceRole.APEX, *router.writes}
