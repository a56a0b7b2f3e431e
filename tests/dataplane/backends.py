"""What answers requests: small HTTP servers on the machine's own address, one per pod.

Each says which revision it is, and counts what it answers as Istio's sidecar would report it.
A revision whose image has the tag `bad` answers 500.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from tests.services.prometheus import MetricsEndpoint

BUCKETS: Final = (5, 10, 25, 50, 100)
REVISION: Final = "x-revision"
"""Header of each answer: the tag of the image that gave it."""
WORKLOAD: Final = "x-workload"
"""Header of each answer: the Deployment whose pod gave it."""
REQUEST: Final = "x-request"
"""Header of each request: a number of its own."""


def own_address() -> str:
    """The machine's address towards others: the API allows no loopback address as an endpoint."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # chooses an address; nothing is sent
        return str(probe.getsockname()[0])


@dataclass(frozen=True)
class Arrival:
    """A request as a pod met it; `copied` when it is a mirrored one, which nobody waits for."""

    at: float
    request: str
    workload: str
    copied: bool


@dataclass
class Ledger:
    """All that was answered in one namespace."""

    namespace: str
    arrivals: list[Arrival] = field(default_factory=list)
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    buckets: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, request: web.BaseRequest, workload: str, code: int, seconds: float) -> None:
        """Counts one answer."""
        copied = request.host.partition(":")[0].endswith("-shadow")
        number = request.headers.get(REQUEST, "")
        self.arrivals.append(Arrival(time.time(), number, workload, copied))
        self.codes[workload, code] += 1
        for bound in BUCKETS:
            if seconds * 1000 <= bound:
                self.buckets[workload, str(bound)] += 1
        self.buckets[workload, "+Inf"] += 1

    def series(self) -> Iterator[str]:
        """Istio's two metrics of what was answered, in Prometheus' text format."""
        for (workload, code), count in sorted(self.codes.items()):
            labels = f'{self._labels(workload)},response_code="{code}"'
            yield f"istio_requests_total{{{labels}}} {count}"
        for (workload, bound), count in sorted(self.buckets.items()):
            labels = f'{self._labels(workload)},le="{bound}"'
            yield f"istio_request_duration_milliseconds_bucket{{{labels}}} {count}"

    async def publish(self, page: MetricsEndpoint) -> None:
        """Keeps `page` up to date until cancelled."""
        while True:
            page.set("\n".join(self.series()), self.namespace)
            await asyncio.sleep(0.2)

    def _labels(self, workload: str) -> str:
        return (
            f'reporter="destination",destination_workload_namespace="{self.namespace}",'
            f'destination_workload="{workload}"'
        )


@dataclass(frozen=True)
class Backend:
    """A server that answers; `port` is where, on `own_address`."""

    port: int
    runner: web.ServerRunner

    async def close(self) -> None:
        """Ends it: connections that are still open break off."""
        await self.runner.cleanup()


async def serving(ledger: Ledger, workload: str, image: str) -> Backend:
    """A server for a pod of the Deployment `workload` with this image."""
    tag = image.rpartition(":")[2]
    code = 500 if tag == "bad" else 200
    said = {REVISION: tag, WORKLOAD: workload}

    async def answer(request: web.BaseRequest) -> web.Response:
        began = time.perf_counter()
        await request.read()
        ledger.note(request, workload, code, time.perf_counter() - began)
        return web.Response(status=code, text=f"{tag}\n", headers=said)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, own_address(), 0).start()
    return Backend(int(runner.addresses[0][1]), runner)
