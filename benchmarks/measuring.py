"""One measurement: canaries are initialized, left alone, released at once, and followed."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from benchmarks import figures, fleet
from benchmarks.figures import Check
from benchmarks.fleet import Fleet
from benchmarks.meters import Meters
from benchmarks.usage import Gauge, Usage
from clients.redis.store import Store
from config.refs import CanaryRef
from config.settings.groups import SchedulerSettings

INTERVAL: Final = timedelta(seconds=fleet.INTERVAL_SECONDS)
STEPS: Final = fleet.MAX_WEIGHT // fleet.STEP_WEIGHT
WINDOW_SECONDS: Final = fleet.INTERVAL_SECONDS * (STEPS - 1) + fleet.INTERVAL_SECONDS / 2
"""From the first step to between the last one and the promotion: nothing but active ticks."""
LULL_SECONDS: Final = 4.0
"""After the last canary's first step; well before the first canary's first check."""
SETTLE_SECONDS: Final = 6.0
"""After a phase, for what was decided to be written and told."""
LONE_RELEASES: Final = 20
_PATIENCE_SECONDS: Final = 1800.0
_LOOK_SECONDS: Final = 0.5
_QUEUED: Final = SchedulerSettings().tick_lease
_TIMELINE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts:
    """Good releases of all canaries at once. Seconds; `Usage` is what was used meanwhile."""

    noticed: tuple[float, ...]
    """By canary: release until the new image is seen in its phase."""
    active: Usage
    """Of a window in which all canaries are analysed and none is promoted."""
    active_ticks: int
    """Analyses in that window."""
    tick_late: tuple[float, ...]
    step_late: tuple[float, ...]
    seconds: float
    """Release until the last canary has succeeded."""
    whole: Usage
    """From release to success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A revision that fails, released to all; by canary, until its weight is back at 0."""

    released: tuple[float, ...]
    """From the release."""
    served: tuple[float, ...]
    """From the first weight, as Flagger's figure is counted: how long requests have met it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The outcome. Seconds, unless the name says otherwise."""

    canaries: int
    initialized: float
    idle: Usage
    rollouts: Rollouts
    lone: tuple[float, ...]
    """Of single releases among canaries at rest: until the new image is seen in the phase."""
    memory: Mapping[str, float]
    """The most that each role has had, in MiB."""
    bad: Bad | None
    """None if not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What is measured: `rest` seconds without a rollout, releases over `stagger` seconds."""

    rest: float
    stagger: float = 0.0
    bad: bool = False
    only_rest: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement is made with; `window` is told when the window begins and ends."""

    fleet: Fleet
    store: Store
    gauge: Gauge
    meters: Meters
    window: Callable[[bool], None]

    def measure(self, protocol: Protocol) -> Figures:
        """All figures. Raises fleet.Overdue when the canaries do not get where they should."""
        initialized = self._initialize()
        idle = self._idle(protocol.rest)
        rollouts = self._none() if protocol.only_rest else self._roll_out(protocol.stagger)
        lone = self._release_some() if protocol.only_rest else ()
        spoilt = self._spoil() if protocol.bad else None
        return Figures(
            canaries=len(self.fleet.refs),
            initialized=initialized,
            idle=idle,
            rollouts=rollouts,
            lone=lone,
            memory=self.gauge.peak_memory(),
            bad=spoilt,
        )

    def _initialize(self) -> float:
        _say(f"making {len(self.fleet.refs)} canaries")
        started = datetime.now(UTC)
        self.fleet.make()
        self._until(self.fleet.all_in("Initialized", started, self.fleet.made), "all initialized")
        self.fleet.copy()
        self._until_all("Initialized", started)
        self._take_up()
        return (datetime.now(UTC) - started).total_seconds()

    def _take_up(self) -> None:
        """Returns once Coalmine has looked at all canaries, copies as well."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(self.store.agenda()) < len(self.fleet.refs) or self._waiting():
            if time.monotonic() > deadline:
                raise fleet.Overdue(f"{self._waiting()} canaries still wait")
            time.sleep(_LOOK_SECONDS)

    def _waiting(self) -> int:
        """How many canaries wait to be looked at."""
        overdue, queued = self.store.overdue(self.store.now()), self.store.queued(_QUEUED)
        return sum(each.count for each in (*overdue.values(), *queued.values()))

    def _idle(self, seconds: float) -> Usage:
        time.sleep(SETTLE_SECONDS)
        _say(f"idle for {seconds:g} s")
        before = self.gauge.read()
        time.sleep(seconds)
        return self.gauge.read().since(before)

    def _release_some(self) -> tuple[float, ...]:
        """Seconds until each of some single releases was noticed, one after the other."""
        _say(f"releasing {LONE_RELEASES} canaries, one by one")
        delays: list[float] = []
        for ref in self.fleet.refs[:: max(1, len(self.fleet.refs) // LONE_RELEASES)]:
            released = {ref: self.fleet.release_one(ref, "registry.example/app:2")}
            self._until(partial(self._delays, "Progressing", released), str(ref))
            delays += self._delays("Progressing", released)
            time.sleep(1)
        return tuple(delays)

    def _none(self) -> Rollouts:
        """The figures of no rollouts."""
        now = self.gauge.read()
        nothing = now.since(now)
        return Rollouts(
            noticed=(),
            active=nothing,
            active_ticks=0,
            tick_late=(),
            step_late=(),
            seconds=math.nan,
            whole=nothing,
        )

    def _roll_out(self, stagger: float) -> Rollouts:
        before = self.gauge.read()
        _say("releasing all")
        releases = self.fleet.release("registry.example/app:2", stagger)
        released = min(releases.values())
        self._until(lambda: all(self._percents(ref, released) for ref in self.fleet.refs), "step 1")
        active, span = self._window(released)
        self._until_all("Succeeded", released)
        seconds = (datetime.now(UTC) - released).total_seconds()
        time.sleep(SETTLE_SECONDS)
        made = self._checks(released)
        weighed = {ref: self._percents(ref, released) for ref in self.fleet.refs}
        return Rollouts(
            noticed=self._delays("Progressing", releases),
            active=active,
            active_ticks=sum(span[0] <= check.at < span[1] for check in made),
            tick_late=tuple(figures.lateness(made)),
            step_late=tuple(figures.step_lateness(made, weighed)),
            seconds=seconds,
            whole=self.gauge.read().since(before),
        )

    def _window(self, released: datetime) -> tuple[Usage, tuple[datetime, datetime]]:
        """What analysis alone uses, and from when to when; begins when the first steps are told."""
        time.sleep(LULL_SECONDS)
        firsts = [min(self._percents(ref, released).values()) for ref in self.fleet.refs]
        ends = min(firsts) + timedelta(seconds=WINDOW_SECONDS)
        _say("analysis")
        self.window(True)  # noqa: FBT003 - begins
        before, begins = self.gauge.read(), datetime.now(UTC)
        time.sleep(max(0.0, (ends - begins).total_seconds()))
        used, ended = self.gauge.read().since(before), datetime.now(UTC)
        self.window(False)  # noqa: FBT003 - ends
        return used, (begins, ended)

    def _spoil(self) -> Bad:
        self.meters.is_bad = True
        _say("releasing a bad revision to all")
        releases = self.fleet.release("registry.example/app:3")
        self._until_all("Failed", min(releases.values()))
        time.sleep(SETTLE_SECONDS)
        self.meters.is_bad = False
        ended: list[tuple[datetime, datetime, datetime]] = []
        for ref, released in releases.items():
            weights = self.fleet.seen.weights(ref, released)
            served = next((each.at for each in weights if each.percent), None)
            if served and weights[-1].percent == 0:
                ended.append((released, served, weights[-1].at))
        return Bad(
            released=tuple((zero - released).total_seconds() for released, _, zero in ended),
            served=tuple((zero - served).total_seconds() for _, served, zero in ended),
        )

    def _checks(self, since: datetime) -> list[Check]:
        found: list[Check] = []
        for ref in self.fleet.refs:
            entries = [
                entry
                for entry in self.store.timeline(ref, _TIMELINE)
                if datetime.fromisoformat(entry["at"]) >= since
            ]
            found += figures.checks(ref, entries, INTERVAL)
        return found

    def _percents(self, ref: CanaryRef, since: datetime) -> dict[int, datetime]:
        """When `ref` first had each weight above 0."""
        seen = self.fleet.seen.weights(ref, since)
        return {weight.percent: weight.at for weight in reversed(seen) if weight.percent}

    def _delays(self, phase: str, since: Mapping[CanaryRef, datetime]) -> tuple[float, ...]:
        return tuple(
            (at - released).total_seconds()
            for ref, released in since.items()
            if (at := self.fleet.seen.entered(ref, phase, released))
        )

    def _until_all(self, phase: str, since: datetime) -> None:
        self._until(self.fleet.all_in(phase, since), f"all {phase}")

    def _until(self, done: Callable[[], object], what: str) -> None:
        self.fleet.seen.wait(done, _PATIENCE_SECONDS, what)


def p(values: tuple[float, ...], percent: float) -> float:
    """The percentile; NaN of no values."""
    found = figures.percentile(values, percent)
    return math.nan if found is None else found


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
