"""One mesh and one site for all tests here: their processes take seconds to start.

The API server is our own, for it has Istio's own definitions of its kinds.
"""

from collections.abc import Iterator

import pytest

from tests.dataplane import backends, pods
from tests.dataplane import background as loops
from tests.dataplane.backends import Ledger
from tests.dataplane.traffic import Traffic
from tests.services import control_plane, istio, presence
from tests.services.cluster import ControlPlane
from tests.services.prometheus import MetricsEndpoint, Prometheus
from tests.system import site as sites


@pytest.fixture(scope="session")
def mesh_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with Coalmine's CRDs, to which the mesh adds Istio's."""
    presence.require("control-plane")
    presence.require("data-plane")
    with control_plane.running(tmp_path_factory.mktemp("mesh-plane")) as plane:
        plane.apply_file(control_plane.COALMINE_CRDS)
        yield plane


@pytest.fixture(scope="session")
def traffic(
    mesh_plane: ControlPlane,
    prometheus: Prometheus,
    metrics_endpoint: MetricsEndpoint,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Traffic]:
    """Coalmine at work on a mesh that carries requests; each test has applications of its own."""
    ledger, folder = Ledger(mesh_plane.create_namespace()), tmp_path_factory.mktemp("traffic")
    with (
        istio.running(mesh_plane, folder, backends.own_address()) as mesh,
        loops.running() as background,
        background.during(ledger.publish(metrics_endpoint)),
        pods.run_by(mesh_plane, ledger, background) as running,
        sites.opened(
            mesh_plane,
            folder,
            running,
            namespace=ledger.namespace,
            METRICS_SERVER=prometheus.url,
        ) as site,
    ):
        yield Traffic(site, mesh, ledger, background)
