"""A real Kubernetes API server: etcd and kube-apiserver as child processes, RBAC on.

There are no nodes and, outside of `controllers`, no controllers: nothing makes a Deployment ready
or deletes dependents, so a test writes the status it needs and sees exactly its own effects.
What a test can do with the server is in `tests.services.cluster`.
"""

import base64
import contextlib
import secrets
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.services import presence, processes
from tests.services.cluster import ControlPlane, Refused

__all__ = [
    "COALMINE_CRDS",
    "ISTIO_CRDS",
    "KEDA_CRDS",
    "KNATIVE_CRDS",
    "ControlPlane",
    "Refused",
    "controllers",
    "running",
]

ISTIO_CRDS: Final = Path(__file__).with_name("istio-crds.yaml")
_SANDBOX_CRDS: Final = presence.REPOSITORY / "sandbox" / "apiserver" / "crds"
KEDA_CRDS: Final = _SANDBOX_CRDS / "keda.yaml"
KNATIVE_CRDS: Final = _SANDBOX_CRDS / "knative.yaml"
COALMINE_CRDS: Final = presence.REPOSITORY / "deploy" / "crds" / "crds.yaml"

AUDIT_POLICY: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  # A watch is logged when it begins, so that its end, at the server's leisure, is not one more.
  - {level: None, nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"]}
  - {level: Metadata, verbs: [watch], omitStages: [RequestReceived, ResponseComplete]}
  - {level: Metadata}
"""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """An API server with its etcd for the length of the block; all their files are in `folder`."""
    etcd_port, peer_port, port = processes.free_ports(3)
    token = secrets.token_hex(16)
    etcd_url, url = f"http://127.0.0.1:{etcd_port}", f"https://127.0.0.1:{port}"
    # Self-signed by the server at its first start: the file holds the certificate and its CA.
    ca_file, audit_log = folder / "certificates" / "apiserver.crt", folder / "audit.log"
    etcd = processes.Process(
        "etcd",
        _etcd_command(folder, etcd_url, peer_port),
        folder / "etcd.log",
        ready=lambda: _healthy(f"{etcd_url}/health"),
    )
    apiserver = processes.Process(
        "kube-apiserver",
        _apiserver_command(folder, etcd_url, port, token),
        folder / "kube-apiserver.log",
        ready=lambda: _ready(plane),
    )
    plane = ControlPlane(url, ca_file, token, audit_log, apiserver, etcd, etcd_url)
    with contextlib.ExitStack() as stack:
        for process in (etcd, apiserver):
            process.start()
            stack.callback(process.stop)
        stack.callback(plane.hang_up)
        yield plane


@contextlib.contextmanager
def controllers(plane: ControlPlane, folder: Path, *names: str) -> Iterator[processes.Process]:
    """kube-controller-manager with the named controllers, for the length of the block.

    For instance `namespace-controller` and `garbage-collector-controller`.
    """
    config = plane.kubeconfig(folder / "controller-manager.kubeconfig")
    command: list[str | Path] = [
        _binary("kube-controller-manager"),
        f"--kubeconfig={config}",
        f"--controllers={','.join(names)}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    with processes.running("kube-controller-manager", command, folder) as process:
        yield process


def _etcd_command(folder: Path, url: str, peer_port: int) -> list[str | Path]:
    peer = f"http://127.0.0.1:{peer_port}"
    return [
        _binary("etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # nothing here outlives the test
        "--log-level=warn",
    ]


def _apiserver_command(folder: Path, etcd_url: str, port: int, token: str) -> list[str | Path]:
    key, tokens, policy = folder / "accounts.pem", folder / "tokens.csv", folder / "audit.yaml"
    key.write_text(_ec_private_key(), "ascii")
    tokens.write_text(f'{token},admin,admin,"system:masters"\n', "ascii")
    policy.write_text(AUDIT_POLICY, "ascii")
    return [
        _binary("kube-apiserver"),
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}",
        f"--etcd-servers={etcd_url}",
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        f"--token-auth-file={tokens}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--endpoint-reconciler-type=none",  # 127.0.0.1 is no valid endpoint
        f"--audit-policy-file={policy}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-mode=blocking",  # a request is in the log before it is answered
        "--shutdown-delay-duration=0s",
    ]


def _binary(name: str) -> Path:
    folder = presence.control_plane_binaries()
    if folder is None:
        raise processes.ServiceError(f"no {name}; `make control-plane` builds it")
    return folder / name


def _ec_private_key() -> str:
    """A new P-256 private key as PEM, written by hand to need neither openssl nor a library.

    RFC 5915: SEQUENCE { INTEGER 1, OCTET STRING key, [0] { OID prime256v1 } }, the public key left
    out. A key is valid below the order of the curve, which starts with 0xffffffff: a first byte
    below 0xff makes sure of it.
    """
    scalar = bytes([secrets.randbelow(0xFF)]) + secrets.token_bytes(31)
    curve = bytes.fromhex("a00a06082a8648ce3d030107")
    body = b"\x02\x01\x01\x04\x20" + scalar + curve
    encoded = base64.b64encode(b"\x30" + bytes([len(body)]) + body).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{encoded}\n-----END EC PRIVATE KEY-----\n"


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _ready(plane: ControlPlane) -> bool:
    """Whether the server is up, RBAC's bootstrap roles included (a hook that readyz waits for)."""
    if not plane.ca_file.exists():
        return False
    try:
        plane.request("GET", "/readyz")
    except (OSError, Refused):
        return False
    return True
