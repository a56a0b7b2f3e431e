"""The rights that a process asks for at its start, against those that a real API server grants."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.rbac import review
from cli.rbac.table import Right
from clients.kube import connect
from clients.kube.rest import KubeHttp
from config import roles
from config.settings.settings import Settings
from routing.registry import ROUTERS
from tests.services import presence
from tests.services.cluster import ControlPlane

RBAC = presence.REPOSITORY / "deploy" / "rbac" / "rbac.yaml"
HOME = "coalmine-system"
RBAC_API = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    """The API server with the roles that we ship."""
    control_plane.apply_file(RBAC)
    return control_plane


def lacking(plane: ControlPlane, folder: Path, account: str, role: str) -> Iterator[Right]:
    """What `account` of our namespace may not do and `role` needs."""
    token = plane.service_account_token(HOME, account)
    door = door_of(plane.kubeconfig(folder / f"{account}.kubeconfig", token))
    return (each.right for each in review.missing(door, [role], Settings(), ROUTERS))


def door_of(kubeconfig: Path) -> KubeHttp:
    """The door of whoever the kubeconfig belongs to."""
    return connect.connect(role="test", kubeconfig=kubeconfig)


@pytest.mark.parametrize("role", roles.ALL)
def test_the_shipped_roles_lack_nothing(plane: ControlPlane, tmp_path: Path, role: str) -> None:
    """The table, the manifest and the server's authorizer agree."""
    assert not list(lacking(plane, tmp_path, f"coalmine-{role}", role))


def test_a_role_without_a_right_says_which_it_is(plane: ControlPlane, tmp_path: Path) -> None:
    """An account that may do all but patch VirtualServices lacks just that."""
    shipped = plane.request("GET", f"{RBAC_API}/clusterroles/coalmine-routing")
    rules = [
        {**rule, "verbs": ["get", "create"]} if "virtualservices" in rule["resources"] else rule
        for rule in shipped["rules"]
    ]
    name = {"metadata": {"name": "cut-routing"}}
    plane.request("POST", f"{RBAC_API}/clusterroles", {**name, "rules": rules})
    reference = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "cut-routing",
    }
    subject = {"kind": "ServiceAccount", "name": "cut-routing", "namespace": HOME}
    binding = {**name, "roleRef": reference, "subjects": [subject]}
    plane.request("POST", f"{RBAC_API}/clusterrolebindings", binding)

    assert set(lacking(plane, tmp_path, "cut-routing", "routing")) == {
        Right("networking.istio.io", kind, "patch")
        for kind in ("virtualservices", "destinationrules")
    }
