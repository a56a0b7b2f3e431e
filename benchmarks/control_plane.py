"""The cluster of a measurement: etcd and kube-apiserver as processes, with our RBAC in force."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks import calls, kubelet
from benchmarks.calls import Call
from benchmarks.cluster import Cluster
from clients.kube import connect
from config import roles
from tests.services import control_plane, presence
from tests.services.cluster import ControlPlane

RBAC: Final = presence.REPOSITORY / "deploy" / "rbac" / "rbac.yaml"
HOME: Final = "coalmine-system"
ALL: Final = "worker"
"""The role of a worker for all queues, whose one account may do everything."""


def is_present() -> bool:
    """Whether this machine has the programs."""
    return presence.control_plane_binaries() is not None


@contextlib.contextmanager
def running(folder: Path, ready_after: float) -> Iterator[Cluster]:
    """The cluster for the length of the block; Deployments are ready after so many seconds."""
    with control_plane.running(folder) as plane:
        for file in (control_plane.ISTIO_CRDS, control_plane.COALMINE_CRDS, RBAC):
            plane.apply_file(file)
        admin = plane.kubeconfig(folder / "bench.kubeconfig")
        door = connect.connect(role="bench", kubeconfig=admin)
        with kubelet.making_ready(door, ready_after):
            yield Cluster(
                name="kube-apiserver and etcd",
                admin=admin,
                kubeconfigs={**_accounts(plane, folder), ALL: admin},
                calls=AuditLog(plane.audit_log),
                pids={"kube-apiserver": (plane.apiserver.pid,), "etcd": (plane.etcd.pid,)},
                etcd=plane.etcd_url,
            )


class AuditLog:
    """The requests in a log that is read on from where it was left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._seen: Counter[Call] = Counter()

    def counts(self) -> Counter[Call]:
        """See `calls.Calls`."""
        with self._path.open("rb") as log:
            log.seek(self._offset)
            lines = log.readlines()
        if lines and not lines[-1].endswith(b"\n"):
            del lines[-1]  # being written
        self._offset += sum(map(len, lines))
        self._seen += calls.audited(lines)
        return Counter(self._seen)


def _accounts(plane: ControlPlane, folder: Path) -> Mapping[str, Path]:
    """A kubeconfig per role, of the ServiceAccount that it runs under in a cluster."""
    return {
        role: plane.kubeconfig(
            folder / f"{role}.kubeconfig", plane.service_account_token(HOME, f"coalmine-{role}")
        )
        for role in roles.ALL
    }
