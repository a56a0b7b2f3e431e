"""Registries: what is built in, and what installed distributions add by entry points."""

import sys
from pathlib import Path
from typing import Final

import pytest

from analysis.strategies import Strategies
from analysis.strategies.weights import Weights
from routing.istio import Istio
from routing.registry import ROUTERS, Routers
from routing.router import ServiceRole
from tasks import registries

A_ROUTER: Final = """
class Edge:
    name = "{name}"
    carrier = "{role}"
    features = frozenset()
    options = frozenset()
    writes = {{"{role}": None}}

ROUTER = Edge()
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions, with one that adds a router."""
    information = tmp_path / "edge-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: edge\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[coalmine.routers]\nedge = edge_plugin:ROUTER\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "edge_plugin", raising=False)
    return tmp_path


def test_nothing_is_added_where_nothing_is_installed() -> None:
    """The built-in registries, as values."""
    assert registries.installed() == registries.BUILT_IN


def test_an_installed_distribution_adds_its_router(site: Path) -> None:
    """Found by its entry point; manifests may ask for it from then on."""
    (site / "edge_plugin.py").write_text(A_ROUTER.format(name="osm", role="edge"))
    installed = registries.installed()
    assert set(installed.routers.by_name) == {*ROUTERS.by_name, "osm"}
    assert set(installed.carried_out.meshes) == {*ROUTERS.by_name, "osm"}
    assert installed.routers.writes.keys() == {*ROUTERS.writes, "edge"}


@pytest.mark.parametrize(("name", "role"), [("istio", "edge"), ("osm", "virtual-service")])
def test_an_addition_replaces_nothing(site: Path, name: str, role: str) -> None:
    """A provider or a role that is taken stays with who has it: the process does not start."""
    (site / "edge_plugin.py").write_text(A_ROUTER.format(name=name, role=role))
    with pytest.raises(ValueError, match="two routers with one provider, or with one role"):
        registries.installed()


def test_an_addition_that_cannot_be_imported_is_not_passed_over(site: Path) -> None:
    """Half of what is installed would refuse canaries that others carry out."""
    (site / "edge_plugin.py").write_text("raise RuntimeError('broken')")
    with pytest.raises(RuntimeError, match="broken"):
        registries.installed()


def test_two_strategies_of_one_kind_are_refused() -> None:
    """Nobody could say which of them a manifest means."""
    with pytest.raises(ValueError, match="two strategies of one kind"):
        Strategies.of(Weights(), Weights())


def test_routers_say_what_they_write_before_they_know_a_canary() -> None:
    """Roles of Services are taken; every object of a canary is of a declared role and kind."""
    assert {role: ROUTERS.writes[role].plural for role in ServiceRole} == dict.fromkeys(
        ServiceRole, "services"
    )
    with pytest.raises(ValueError, match="two routers"):
        Routers.of(Istio(), Istio())
