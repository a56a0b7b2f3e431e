"""Sites whose time limits are short, so that what is lost is missed soon."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.services.cluster import ControlPlane
from tests.system import proxy as proxies
from tests.system import site as sites
from tests.system.proxy import Proxy
from tests.system.site import Site

IMPATIENT: Final = {
    "METRICS_TIMEOUT": "1s",
    "TICK_LEASE": "2s",
    "KUBERNETES_TIMEOUT": "2s",
}


@pytest.fixture(scope="package")
def site(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of this folder; a test that takes something away gives it back."""
    folder: Path = tmp_path_factory.mktemp("site")
    with sites.opened(control_plane, folder, **IMPATIENT) as opened:
        yield opened


@pytest.fixture(scope="module")
def proxy(control_plane: ControlPlane) -> Iterator[Proxy]:
    """The module's proxy before the API server."""
    with proxies.before(control_plane) as running:
        yield running


@pytest.fixture(scope="module")
def faulty_site(
    control_plane: ControlPlane, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site whose processes reach the API server through `proxy` only."""
    folder: Path = tmp_path_factory.mktemp("faulty-site")
    with sites.opened(control_plane, folder, server=proxy.url, **IMPATIENT) as opened:
        yield opened
