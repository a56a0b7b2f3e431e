"""A real Istio without nodes: istiod and one Envoy as its ingress gateway, beside an API server.

istiod and Envoy are as released. Envoy is the upstream one, so istiod leaves out the filters that
only Istio's own build has: nothing here counts requests for Istio's telemetry.
"""

import contextlib
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.services import presence, processes
from tests.services.cluster import ControlPlane

HOME: Final = "istio-system"
SELECTOR: Final = {"istio": "ingressgateway"}
GATEWAY: Final = "public"
"""The name of the Gateway, in the namespace HOME."""
KINDS: Final = frozenset({"VirtualService", "DestinationRule", "Gateway"})
"""What is told to istiod here, of all that could be."""

# What is not there: Istio's own Envoy filters, certificates, pods, the Gateway API.
_ENVIRONMENT: Final = {
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_GATEWAY_API": "false",
    "DISABLE_SHADOW_HOST_SUFFIX": "false",  # so that a copy can be told from its request
    "PILOT_CERT_PROVIDER": "none",
    "ENABLE_CA_SERVER": "false",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",
    "POD_NAME": "istiod-1",
    "POD_NAMESPACE": HOME,
    "REVISION": "default",
    "CLUSTER_ID": "Kubernetes",
    "PATH": "/usr/bin:/bin",
}
_MESH: Final = {
    "enableAutoMtls": False,
    "defaultProviders": {},
    "enablePrometheusMerge": False,
}


@dataclass(frozen=True)
class Istio:
    """A running mesh; `url` is http://ADDRESS:PORT of its gateway, `admin` Envoy's own pages."""

    url: str
    admin: str
    istiod: processes.Process
    envoy: processes.Process

    def counters(self, prefix: str) -> dict[str, int]:
        """Envoy's counters whose name begins with `prefix`, without those at zero."""
        page = f"{self.admin}/stats?format=text&usedonly&filter=^{prefix}"
        with urllib.request.urlopen(page, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.split(": ", 1) for line in lines if "P0(" not in line)
        return {name: int(value) for name, value in pairs if value.isdigit()}


@contextlib.contextmanager
def running(plane: ControlPlane, folder: Path, address: str) -> Iterator[Istio]:
    """A running istiod and a gateway of its mesh for the length of the block; files in `folder`.

    The CRDs of KINDS are applied first. `address` is the machine's own, where backends are too.
    """
    for each in yaml.safe_load_all(_binary("crds.yaml").read_text("utf-8")):
        if each and each["spec"]["names"]["kind"] in KINDS:
            plane.apply(each)
    plane.create_namespace(HOME)
    grpc, http, monitoring, admin, port = processes.free_ports(5)
    with (
        processes.running(
            "istiod",
            _istiod_command(plane, folder, grpc, http, monitoring),
            folder,
            ready=lambda: _answers(f"http://127.0.0.1:{http}/ready"),
            env=_ENVIRONMENT,
        ) as istiod,
        processes.running(
            "envoy",
            _envoy_command(folder, _bootstrap(address, grpc, admin)),
            folder,
            ready=lambda: _answers(f"http://127.0.0.1:{admin}/ready"),
        ) as envoy,
    ):
        plane.apply(gateway(port), HOME)
        yield Istio(f"http://{address}:{port}", f"http://127.0.0.1:{admin}", istiod, envoy)


def istioctl(*words: str | Path) -> str:
    """All that `istioctl` says to these words, whatever its exit status."""
    command = [str(_binary("istioctl")), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def gateway(port: int) -> dict[str, Any]:
    """A Gateway for every host."""
    server = {"port": {"number": port, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": HOME},
        "spec": {"selector": SELECTOR, "servers": [server]},
    }


def _istiod_command(
    plane: ControlPlane, folder: Path, grpc: int, http: int, monitoring: int
) -> list[str | Path]:
    mesh = folder / "mesh.yaml"
    mesh.write_text(yaml.safe_dump(_MESH), "utf-8")
    return [
        _binary("pilot-discovery"),
        "discovery",
        f"--kubeconfig={plane.kubeconfig(folder / 'istiod.kubeconfig')}",
        f"--meshConfig={mesh}",
        f"--grpcAddr=127.0.0.1:{grpc}",
        f"--httpAddr=127.0.0.1:{http}",
        f"--monitoringAddr=127.0.0.1:{monitoring}",
        "--httpsAddr=",
        "--secureGRPCAddr=",
        "--ctrlz_port=0",
    ]


def _envoy_command(folder: Path, bootstrap: dict[str, Any]) -> Sequence[str | Path]:
    binary, file = presence.envoy(), folder / "envoy.yaml"
    if binary is None:
        raise processes.ServiceError("no envoy; `make data-plane` installs it")
    file.write_text(yaml.safe_dump(bootstrap), "utf-8")
    options = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
    return [binary, "-c", file, *options]


def _bootstrap(address: str, grpc: int, admin: int) -> dict[str, Any]:
    """What Envoy starts from: who it is to istiod, and where istiod is."""
    name = "ingressgateway"
    discovery = {"ads": {}, "resource_api_version": "V3"}
    istiod = {"envoy_grpc": {"cluster_name": "istiod"}}
    ads = {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [istiod]}
    metadata = {
        "NAMESPACE": HOME,
        "CLUSTER_ID": "Kubernetes",
        "ISTIO_VERSION": "1.31.0",
        "LABELS": SELECTOR,
        "INSTANCE_IPS": address,
    }
    return {
        "node": {
            "id": f"router~{address}~{name}.{HOME}~{HOME}.svc.cluster.local",
            "cluster": name,
            "metadata": metadata,
        },
        "admin": {"address": _socket("127.0.0.1", admin)},
        "dynamic_resources": {
            "ads_config": ads,
            "lds_config": discovery,
            "cds_config": discovery,
        },
        "static_resources": {"clusters": [_istiod_cluster(grpc)]},
    }


def _istiod_cluster(grpc: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _socket("127.0.0.1", grpc)}}
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {
        "@type": f"type.googleapis.com/{options}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "name": "istiod",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {options: http2},
        "load_assignment": {
            "cluster_name": "istiod",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _binary(name: str) -> Path:
    folder = presence.data_plane_files()
    if folder is None:
        raise processes.ServiceError(f"no {name}; `make data-plane` builds it")
    return folder / name


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
