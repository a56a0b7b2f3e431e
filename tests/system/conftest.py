"""One site per module: its processes take seconds to start, and its tests share them."""

from collections.abc import Iterator

import pytest

from tests.services.cluster import ControlPlane
from tests.system import site as sites
from tests.system.site import Site


@pytest.fixture(scope="module")
def site(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The module's site; each test has applications of its own names there."""
    with sites.opened(control_plane, tmp_path_factory.mktemp("site")) as opened:
        yield opened
