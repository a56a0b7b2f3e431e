"""A rollout under load: what a test does, and what it asks of the requests."""

import contextlib
import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tests.dataplane import load
from tests.dataplane.backends import Arrival, Ledger
from tests.dataplane.background import Background
from tests.dataplane.load import Load, Sample
from tests.services import istio
from tests.services.istio import Istio
from tests.system import manifests
from tests.system.manifests import Manifest
from tests.system.site import App, Site

GOOD: Final = "registry.example/app:2"
BAD: Final = "registry.example/app:bad"
ENDS: Final = {"2": "Succeeded", "bad": "Failed"}
"""How a release ends, by the tag of its image."""
PUSH_SECONDS: Final = 1.0
"""Enough from a write of the route until Envoy follows it: istiod gathers changes for 0.1 s."""
DEVIATIONS: Final = 4.5
"""Standard errors that a share may differ from its weight: by chance once in 150,000 times."""

CHECK: Final = {**manifests.SUCCESS_RATE, "interval": "5s"}


@dataclass(frozen=True)
class Traffic:
    """A site whose routes carry requests."""

    site: Site
    mesh: Istio
    ledger: Ledger
    background: Background

    @contextlib.contextmanager
    def application(
        self,
        name: str,
        analysis: Mapping[str, Any],
        *,
        headers: Mapping[int, Mapping[str, str]] | None = None,
        **spec: Any,
    ) -> Iterator["Rollout"]:
        """An application that is initialized and under load for the length of the block.

        `analysis` is what its Canary has besides a check each two seconds; `headers` are those of
        some users, by their numbers.
        """
        host = f"{name}.example.com"
        canary = _canary(name, host, analysis, spec)
        app = self.site.app(name).deploy(canary)
        with load.sent(self.background, self.mesh.url, host, headers=headers) as requests:
            self.site.until(requests.answered, f"{name} is reached through the gateway", 10)
            yield Rollout(self, app, requests, time.time())


@dataclass(frozen=True)
class Stage:
    """A time, in seconds since the epoch, in which the route gave the canary `weight` percent."""

    weight: int
    begin: float
    end: float


@dataclass(frozen=True)
class Rollout:
    """An application under load; `began` is when the gateway had its route."""

    traffic: Traffic
    app: App
    load: Load
    began: float

    # --- what a test does

    def release(self, image: str) -> "Rollout":
        """Itself after a release of `image` from its beginning to its end, good or bad."""
        self.app.release(image)
        self.app.until("Progressing")
        self.app.until(ENDS[image.rpartition(":")[2]], 60)
        self.app.site.pause(PUSH_SECONDS)
        return self

    # --- what there was

    def stages(self) -> list[Stage]:
        """The times in which the route had one weight each."""
        turns = [(one.at, _weight(one.object)) for one in self.app.seen("virtualservices")]
        begins = [next(turn) for _, turn in itertools.groupby(turns, lambda turn: turn[1])]
        ends = [at for at, _ in begins[1:]] + [time.time()]
        return [Stage(weight, at, end) for (at, weight), end in zip(begins, ends, strict=True)]

    def during(self, stage: Stage) -> list[Sample]:
        """The requests of a stage, as soon as Envoy must have heard of it."""
        return self.load.since(stage.begin + PUSH_SECONDS, stage.end)

    def decided(self, phase: str) -> float:
        """When the decision for `phase` was made, in seconds since the epoch."""
        entry = next(each for each in self.app.timeline() if each["phase"] == phase)
        return datetime.fromisoformat(entry["at"]).timestamp()

    def arrivals(self, workload: str) -> list[Arrival]:
        """The requests of this load that the pods of a Deployment met, copies included."""
        host = f"{self.app.name}.example.com/"
        arrived = self.traffic.ledger.arrivals
        return [one for one in arrived if one.workload == workload and one.request.startswith(host)]

    # --- what must hold

    def assert_nothing_failed(self) -> None:
        """Each request was answered, by a backend: no step, promotion or rollback lost one."""
        samples = self.load.since(self.began)
        assert len(samples) > 1000
        lost = [each for each in samples if not each.revision]
        assert not lost, f"{len(lost)} of {len(samples)} lost: {lost[:5]}, {self.stages()}"

    def assert_weights_are_shares(self, weights: Sequence[int]) -> None:
        """The route had these weights in turn, and the canary just as many of the requests."""
        stages = self.stages()
        assert [each.weight for each in stages] == list(weights)
        for stage in stages[1:-1]:
            samples = self.during(stage)
            met = sum(each.workload == self.app.name for each in samples)
            assert_share(met, len(samples), stage.weight / 100)

    def assert_bad_answers_end(self) -> None:
        """There were bad answers, and none later than two seconds after the deciding check."""
        bad = [each.at for each in self.load.samples if each.status == 500]
        assert bad
        assert max(bad) - self.decided("Failed") < 2


def assert_share(met: int, count: int, share: float) -> None:
    """`met` of `count` independent requests is a likely number when each has this chance."""
    assert count > 100, f"only {count} requests"
    error = math.sqrt(count * share * (1 - share))
    assert abs(met - count * share) <= DEVIATIONS * error, f"{met} of {count}, not {share:.0%}"


def _weight(route: Mapping[str, Any]) -> int:
    """The weight of the canary in the last rule that leads to it; 0 when none does."""
    weights = [
        entry.get("weight", 0)
        for rule in route["spec"]["http"]
        for entry in rule["route"]
        if entry["destination"]["host"].endswith("-canary")
    ]
    return int(weights[-1]) if weights else 0


def _canary(name: str, host: str, analysis: Mapping[str, Any], spec: Mapping[str, Any]) -> Manifest:
    service = {"hosts": [host], "gateways": [f"{istio.HOME}/{istio.GATEWAY}"]}
    canary = manifests.a_canary(name, service=service, **spec)
    canary["spec"]["analysis"] = {"interval": "2s", "threshold": 2, "metrics": [CHECK], **analysis}
    return canary
