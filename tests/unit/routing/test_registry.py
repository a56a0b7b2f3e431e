"""Provider names to routers."""

import pytest

from routing import registry
from tests.unit.routing.canaries import a_canary


@pytest.mark.parametrize("provider", ["istio", "smi:istio"])
def test_istio_and_its_alias_select_istio(provider: str) -> None:
    """The alias of older guides means Istio."""
    assert registry.router(provider).name == "istio"


@pytest.mark.parametrize("provider", ["linkerd", "gatewayapi", "Istio", ""])
def test_a_provider_without_a_router_is_refused_with_the_known_ones(provider: str) -> None:
    """D-94: there is no fallback to Istio; the message says what is possible."""
    with pytest.raises(registry.NoRouter, match="has no router; known are istio") as refused:
        registry.router(provider)
    assert repr(provider) in str(refused.value)


def test_the_canarys_provider_goes_before_the_controllers() -> None:
    """The default counts only where the manifest names none."""
    assert registry.router_of(a_canary(spec={"provider": "istio"}), "nginx").name == "istio"
    assert registry.router_of(a_canary(), "istio").name == "istio"
    with pytest.raises(registry.NoRouter, match="nginx"):
        registry.router_of(a_canary(), "nginx")
