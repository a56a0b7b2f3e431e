"""One site for all tests here: its processes take seconds to start."""

from collections.abc import Iterator

import pytest

from tests.services.cluster import ControlPlane
from tests.system import site as sites
from tests.system.site import Site


@pytest.fixture(scope="package")
def site(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of this folder; each test has applications of its own names there."""
    with sites.opened(control_plane, tmp_path_factory.mktemp("site")) as opened:
        yield opened
