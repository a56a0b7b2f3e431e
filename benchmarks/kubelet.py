"""Makes Deployments ready on an API server without nodes, some time after each change of spec.

One watch for all of them and one patch per rollout, so that the measured API server has little to
do for us.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import following
from clients import errors
from clients.kube import resources
from clients.kube.protocol import Object
from clients.kube.rest import KubeHttp
from tests.services.deployments import COUNTED, rolled_out


class Kubelet:
    """Writes the status of Deployments `ready_after` seconds after they asked for another one."""

    def __init__(self, kube: KubeHttp, ready_after: float) -> None:
        self._kube = kube
        self._ready_after = ready_after
        # All wait equally long, so a plain queue is in order of their time.
        self._waiting: queue.SimpleQueue[tuple[float, Object] | None] = queue.SimpleQueue()

    def see(self, deployment: Object) -> None:
        """Take note of a Deployment as it is now."""
        current: Mapping[str, Any] = deployment.get("status") or {}
        wanted = rolled_out(deployment)
        if any(current.get(key, 0) != wanted[key] for key in COUNTED):
            self._waiting.put((time.monotonic() + self._ready_after, deployment))

    def run(self) -> None:
        """Writes what is due until `end`."""
        while (next_one := self._waiting.get()) is not None:
            due, deployment = next_one
            time.sleep(max(0.0, due - time.monotonic()))
            metadata = deployment["metadata"]
            with contextlib.suppress(errors.ClientError):
                self._kube.patch(
                    resources.DEPLOYMENTS,
                    metadata["namespace"],
                    metadata["name"],
                    {"status": rolled_out(deployment)},
                    subresource="status",
                )

    def end(self) -> None:
        """Makes `run` return."""
        self._waiting.put(None)


@contextlib.contextmanager
def making_ready(kube: KubeHttp, ready_after: float) -> Iterator[None]:
    """Deployments of all namespaces become ready, for the length of the block."""
    kubelet = Kubelet(kube, ready_after)
    writing = threading.Thread(target=kubelet.run, name="kubelet", daemon=True)
    writing.start()
    with following.followed(kube, resources.DEPLOYMENTS, kubelet.see):
        yield
    kubelet.end()
    writing.join()
