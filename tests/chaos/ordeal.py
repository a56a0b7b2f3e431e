"""Many rollouts, some of them bad, while an adversary strikes; then the record is judged."""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos import judge, shifted
from tests.chaos.adversary import STRIKES, Adversary
from tests.chaos.judge import Rollout, Violation
from tests.services.cluster import ControlPlane
from tests.system import manifests, meters
from tests.system import proxy as proxies
from tests.system import site as sites
from tests.system.site import App, Site

INTERVAL_SECONDS: Final = 3
THRESHOLD: Final = 3
SETTINGS: Final = {
    "METRICS_TIMEOUT": "1s",
    "TICK_LEASE": "3s",
    "KUBERNETES_TIMEOUT": "2s",
}
AT_ONCE: Final = 25
"""Rollouts under way at most."""
PACE_SECONDS: Final = (1.0, 3.5)
"""From one strike to the next, at least and at most."""
HASTY_SECONDS: Final = (0.3, 1.0)
SHORT: Final = 20
"""Up to so many rollouts are struck in haste: they would not last for a deck of strikes."""
ROLLOUTS_PER_DECK: Final = 50
CALM_SECONDS: Final = 120
"""After the last strike every rollout ends within this time, or is stuck."""
_Names = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Report:
    """What one run was, and what came of it. Times are in seconds."""

    seed: int
    good: int
    bad: int
    seconds: float
    strikes: Mapping[str, int]
    steps_late: Sequence[float]
    rollbacks_late: Sequence[float]
    writes: int
    """Of VirtualServices."""
    events: int
    """That had to be there."""
    violations: Sequence[Violation]
    stories: Sequence[str]
    """Of the rollouts with violations."""


def run(plane: ControlPlane, folder: Path, *, count: int, seed: int) -> Report:
    """The report on `count` rollouts, a quarter of them bad, under the strikes of `seed`."""
    chance = random.Random(seed)
    with (
        proxies.before(plane) as proxy,
        sites.opened(plane, folder, server=proxy.url, entry=shifted.__name__, **SETTINGS) as site,
    ):
        is_short = count <= SHORT
        pace = HASTY_SECONDS if is_short else PACE_SECONDS
        strikes = len(STRIKES) * (1 + count // ROLLOUTS_PER_DECK)
        adversary = Adversary(site, proxy, chance, strikes, pace)
        report = _Ordeal(site, adversary, count).report(seed)
        for process in site.processes.members.values():
            process.kill()  # nobody waits for farewells
        return report


class _Ordeal:
    def __init__(self, site: Site, adversary: Adversary, count: int) -> None:
        self._site = site
        self._adversary = adversary
        self._apps = [site.app(f"app-{number}") for number in range(count)]
        bad = adversary.chance.sample(self._apps, count // 4)
        self._bad = {app.name for app in bad}
        self._released: dict[str, float] = {}
        self._strikes = adversary.left

    def report(self, seed: int) -> Report:
        site, adversary = self._site, self._adversary
        offset = site.plane.audit_log.stat().st_size
        self._deploy()
        began = time.monotonic()
        self._until_released()
        self._until_ended(INTERVAL_SECONDS * 10, adversary.step)
        adversary.stop()
        self._until_ended(CALM_SECONDS, adversary.supervise)
        seconds = time.monotonic() - began
        site.pause(judge.LASTING_SECONDS)  # what a stale holder may still write
        rollouts = self._told()
        requests = site.plane.requests(offset)
        violations = [
            *(found for each in rollouts for found in each.violations()),
            *judge.of_writers(requests, site.processes.user("routing")),
            *judge.of_keys(site.processes.valkey.client()),
        ]
        subjects = {each.subject for each in violations}
        return Report(
            seed=seed,
            good=len(self._apps) - len(self._bad),
            bad=len(self._bad),
            seconds=seconds,
            strikes=dict(adversary.strikes),
            steps_late=[late for each in rollouts for late in _steps_late(each)],
            rollbacks_late=[late for each in rollouts for late in _rollback_late(each)],
            writes=sum(
                one.resource == "virtualservices" and one.verb in judge.WRITES for one in requests
            ),
            events=sum(1 for each in rollouts for _ in each.expected()),
            violations=violations,
            stories=[each.story for each in rollouts if each.name in subjects],
        )

    # --- the course of events

    def _deploy(self) -> None:
        """All are initialized, in peace."""
        analysis = {"interval": f"{INTERVAL_SECONDS}s", "threshold": THRESHOLD}
        # An outage of the metrics server holds a rollout up, instead of failing it.
        metrics = [
            {**metric, "onError": "hold"} for metric in (manifests.SUCCESS_RATE, manifests.DURATION)
        ]

        def deploy(app: App) -> None:
            app.apply(manifests.a_deployment(app.name))
            app.apply(manifests.a_canary(app.name, analysis=analysis, metrics=metrics))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(deploy, self._apps))
        everybody = [app.name for app in self._apps]
        seconds = 30 + len(everybody)
        self._site.until(
            lambda: all(self._phase(name) == "Initialized" for name in everybody),
            "all are initialized",
            seconds,
        )

    def _until_released(self) -> None:
        """Releases one after the other, spread over all strikes, at most so many at once."""
        for number, app in enumerate(self._apps):
            share = self._strikes * (1 - number / len(self._apps))
            while self._adversary.left > share or self._under_way() >= AT_ONCE:
                self._adversary.step()
                time.sleep(0.05)
            if app.name in self._bad:
                self._site.meters.set(app.name, meters.FAILING)
            self._released[app.name] = time.time()
            self._insist(lambda app=app: app.release(judge.SECOND))  # type: ignore[misc]
            self._adversary.step()

    def _until_ended(self, seconds: float, meanwhile: Callable[[], None]) -> None:
        deadline = time.monotonic() + seconds
        while self._under_way() and time.monotonic() < deadline:
            meanwhile()
            time.sleep(0.05)

    def _insist(self, call: Callable[[], None]) -> None:
        """The API server may be frozen just now, and only we can wake it up."""
        with ThreadPoolExecutor(1) as pool:
            called = pool.submit(call)
            while not called.done():
                self._adversary.step()
                time.sleep(0.01)
            called.result()

    def _under_way(self) -> int:
        over = ("Succeeded", "Failed")
        return sum(self._phase(name) not in over for name in self._released)

    def _phase(self, name: str) -> str:
        seen = self._site.history.of("canaries", name)
        return str((seen[-1].object.get("status") or {}).get("phase")) if seen else ""

    # --- what is judged

    def _told(self) -> list[Rollout]:
        """The rollouts, once all of their events are there, which may wait for so long."""
        deadline = time.monotonic() + judge.UNTOLD_SECONDS
        rollouts = self._rollouts()
        while any(each.untold for each in rollouts) and time.monotonic() < deadline:
            time.sleep(0.5)
            rollouts = self._rollouts()
        return rollouts

    def _rollouts(self) -> list[Rollout]:
        messages = self._messages()
        losses = sorted(self._adversary.losses)
        return [
            Rollout(
                name=app.name,
                namespace=self._site.namespace,
                is_bad=app.name in self._bad,
                released=self._released[app.name],
                losses=losses,
                messages=messages[app.name],
                routes=app.seen("virtualservices"),
                canaries=app.seen("canaries"),
                primaries=app.seen("deployments", f"{app.name}-primary"),
            )
            for app in self._apps
        ]

    def _messages(self) -> _Names:
        found: defaultdict[str, set[str]] = defaultdict(set)
        path = f"/api/v1/namespaces/{self._site.namespace}/events"
        for event in self._site.plane.request("GET", path)["items"]:
            found[event["involvedObject"]["name"]].add(event["message"])
        return defaultdict(frozenset, {name: frozenset(texts) for name, texts in found.items()})


def _steps_late(rollout: Rollout) -> Iterator[float]:
    first, second = (rollout.entered(step) for step in judge.STEPS)
    if first and second and not rollout.is_bad:
        yield second - first - INTERVAL_SECONDS


def _rollback_late(rollout: Rollout) -> Iterator[float]:
    first = rollout.entered(judge.STEPS[0])
    last = rollout.weights[-1]
    if first and rollout.is_bad and last[1] == 0:
        yield last[0] - first - INTERVAL_SECONDS * THRESHOLD


def text(report: Report) -> str:
    """The report as Markdown."""
    rollouts = f"{report.good + report.bad} rollouts, {report.bad} of them bad"
    strikes = (f"| {name} | {count} |" for name, count in sorted(report.strikes.items()))
    found = [f"- {each}" for each in report.violations] or ["None."]
    lines = [
        f"Seed {report.seed}: {rollouts}, in {report.seconds:.0f} s.",
        f"Judged: {report.writes} writes of VirtualServices, {report.events} events.",
        "",
        "| Strike | |",
        "|---|---|",
        *strikes,
        f"| clock of one analysis worker, ahead | {shifted.AHEAD_SECONDS:.0f} s |",
        "",
        "| Late, s | p50 | p99 | longest |",
        "|---|---|---|---|",
        _row("second step of a good revision", report.steps_late),
        _row("bad revision at weight 0", report.rollbacks_late),
        "",
        f"**Violations: {len(report.violations)}.**",
        *(["", *found] if report.violations else []),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"| {name} | | | |"
    centiles = statistics.quantiles(values, n=100, method="inclusive")
    return f"| {name} | {centiles[49]:.1f} | {centiles[98]:.1f} | {max(values):.1f} |"
