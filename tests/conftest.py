"""Fixtures that every tier shares: the real services, one hypothesis profile, the leak check.

Services are started once per test session, by the first test that asks for one. A test that
kills or empties a service starts its own, with the context managers of `tests.services`.
"""

import ctypes
import gc
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import patience
from tests.services import control_plane as control_plane_service
from tests.services import presence, processes
from tests.services import prometheus as prometheus_service
from tests.services import valkey as valkey_service

TESTS: Final = Path(__file__).parent
TIERS: Final = {
    "unit": "unit",
    "contract": "contract",
    "scenarios": "scenario",
    "system": "system",
    "chaos": "chaos",
    "dataplane": "dataplane",
}
CROWDED: Final = frozenset({"system", "chaos", "dataplane"})
COMMANDS: Final = frozenset({"test_demo", "test_kubectl_sandbox", "test_up"})
"""Those of the system tier that start a sandbox each instead of sharing a site."""
LONGEST_SECONDS: Final = 300
"""For a test of a crowded tier; the first one starts what all share, perhaps on a busy machine."""
PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2)
GARBAGE: Final = 20_000
"""Objects more than there were, before the collector looks for cycles: 700 is for small heaps."""

# A loaded CI machine is slow, not wrong; the seed is printed when an example fails.
hypothesis.settings.register_profile(
    "coalmine",
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("coalmine")


def pytest_configure() -> None:
    """Ends the session in order on SIGTERM: fixtures are torn down, their processes with them.

    SIGINT too: where a shell started us in the background it is ignored, by every child as well.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the tier of its folder, so that `-m unit` and a path mean the same."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if tier := TIERS.get(folder):
            item.add_marker(tier)
        if folder in CROWDED and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONGEST_SECONDS))


class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types for it
    """Gives tests that start many processes to one worker, a group for each folder.

    They share what they start, and are one at a time. The groups are given out first, so that what
    waits does so beside what computes. By marks it cannot be said: pytest 9.2 makes up its node ids
    where xdist 3.8 cannot add the group to them, and every worker starts everything.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        folder = file.parent.name
        if folder not in CROWDED:
            return nodeid
        return "commands" if file.stem in COMMANDS else folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """The distribution of tests to workers, whatever `--dist` says."""
    return Together(config, log)


def pytest_collection_finish() -> None:
    """Keeps what is there for the whole session out of the rounds of the garbage collector."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey_service.Valkey]:
    """The session's Valkey; its keys are whatever earlier tests left: see `valkey`."""
    presence.require("valkey")
    with valkey_service.running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey(valkey_server: valkey_service.Valkey) -> valkey_service.Valkey:
    """The session's Valkey, empty at the start of the test."""
    valkey_server.flush()
    return valkey_server


@pytest.fixture(scope="session")
def control_plane(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[control_plane_service.ControlPlane]:
    """The session's API server, with all CRDs that we write; share it by namespaces."""
    presence.require("control-plane")
    with control_plane_service.running(tmp_path_factory.mktemp("control-plane")) as plane:
        plane.apply_file(control_plane_service.ISTIO_CRDS)
        plane.apply_file(control_plane_service.KEDA_CRDS)
        plane.apply_file(control_plane_service.KNATIVE_CRDS)
        if control_plane_service.COALMINE_CRDS.exists():
            plane.apply_file(control_plane_service.COALMINE_CRDS)
        yield plane


@pytest.fixture
def namespace(control_plane: control_plane_service.ControlPlane) -> str:
    """The name of a namespace that is this test's own, on the session's API server."""
    return control_plane.create_namespace()


@pytest.fixture(scope="session")
def metrics_endpoint() -> Iterator[prometheus_service.MetricsEndpoint]:
    """What the session's Prometheus scrapes; a test sets its own series, under its own labels."""
    with prometheus_service.metrics_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory,
    metrics_endpoint: prometheus_service.MetricsEndpoint,
) -> Iterator[prometheus_service.Prometheus]:
    """The session's Prometheus, scraping `metrics_endpoint` each second."""
    presence.require("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus_service.running(folder, targets=[metrics_endpoint.target]) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _adopt_orphans() -> None:
    """Makes this process the parent of every orphan below it, so that the leak check sees them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.fixture(autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    """Fails the test that leaves a child process, or a grandchild that lost its parent."""
    before = processes.children()
    yield
    deadline = time.monotonic() + patience.SECONDS
    while leaked := processes.children() - before - processes.LIVE:
        if time.monotonic() > deadline:
            commands = {pid: processes.command_line(pid) for pid in leaked}
            pytest.fail(f"processes left behind: {commands}", pytrace=False)
        time.sleep(0.05)
