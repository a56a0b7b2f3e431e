"""Who kills, freezes, empties, cuts and repeats, by a seed, until told to stop."""

import contextlib
import math
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import redis

from tasks.queues import Queue
from tests.services.processes import Process
from tests.system import meters
from tests.system.meters import Health
from tests.system.proxy import Answer, Cut, Delay, Proxy
from tests.system.site import Site

PACE_SECONDS: Final = (1.0, 3.5)
FREEZES: Final = (1.0, 4.0, 9.0, 12.0)
"""Seconds that a process stands still: shorter than its leases, and longer than all of them."""
FAULTS: Final = (
    Answer(409),
    Answer(429, retry_after_seconds=1),
    Answer(500),
    Delay(1.5),
    Cut(after=False),
    Cut(after=True),
)
REQUESTS: Final = "^(PATCH|POST|PUT) |watch="
ILLS: Final = (meters.unwell(503), meters.unwell(429), Health(delay_seconds=1.5))
MOST_STRUCK: Final = 2
"""Processes that are dead or frozen at once."""
KEYS: Final = [f"cq:{queue}" for queue in Queue]
"""The lists in which messages wait."""


@dataclass
class Adversary:
    """Strikes `site`, whose processes reach the API server through `proxy`; for one thread."""

    site: Site
    proxy: Proxy
    chance: random.Random
    strikes: Counter[str] = field(default_factory=Counter)
    losses: list[float] = field(default_factory=list)
    """When Redis lost all it held, in seconds since the epoch."""
    until: float = math.inf
    """No strikes after this moment of the monotonic clock: a slow machine would never get on."""
    _amends: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _struck: set[str] = field(default_factory=set)
    _thieves: list[threading.Thread] = field(default_factory=list)
    _next: float = 0.0

    def step(self) -> None:
        """Strikes when it is time, and gives back what was taken long enough."""
        now = time.monotonic()
        due = [each for each in self._amends if each[0] <= now]
        for each in due:
            self._amends.remove(each)
            each[1]()
        self.supervise()
        if now >= self._next and time.monotonic() < self.until:
            self._next = now + self.chance.uniform(*PACE_SECONDS)
            self.chance.choice(STRIKES)(self)

    def supervise(self) -> None:
        """Starts again whoever has ended by itself, as a Deployment would."""
        for process in self.site.crew.members.values():
            if process.ended and process.name not in self._struck:
                self._note("ended by itself", process)
                process.start()

    def stop(self) -> None:
        """Gives everything back."""
        self.proxy.faults.clear()
        for _, amend in self._amends:
            amend()
        self._amends.clear()
        self._struck.clear()
        for thief in self._thieves:
            thief.join()
        befallen = self.proxy.faults.befallen
        self.strikes["requests to the API server refused, late or cut"] = befallen

    # --- strikes

    def kill(self) -> None:
        """A process dies at once, and is started again as a Deployment would."""
        if process := self._victim():
            process.kill()
            self._note("killed", process)
            self._later(self.chance.uniform(0.2, 4), process, process.start)

    def freeze(self) -> None:
        """A process stands still, perhaps past all of its leases."""
        if process := self._victim():
            self._stand_still(process, self.chance.choice(FREEZES))

    def flush(self) -> None:
        """Redis is emptied."""
        if self._takes(self.site.crew.valkey.process):
            self.site.crew.valkey.flush()
            self.losses.append(time.time())
            self.strikes["Valkey emptied"] += 1
            self._struck.discard(self.site.crew.valkey.process.name)

    def restart_redis(self) -> None:
        """Redis dies, and comes back with nothing in it."""
        process = self.site.crew.valkey.process
        if self._takes(process):
            process.kill()
            self.losses.append(time.time())
            self.strikes["Valkey restarted, empty"] += 1
            self._later(self.chance.uniform(0.2, 2), process, process.start)

    def freeze_server(self) -> None:
        """Redis or the API server accepts and does not answer."""
        servers = (self.site.crew.valkey.process, self.site.plane.apiserver)
        process = self.chance.choice(servers)
        if self._takes(process):
            self._stand_still(process, self.chance.uniform(0.5, 3))

    def fault(self) -> None:
        """Some of the next requests to the API server are refused, late or cut off."""
        for _ in range(self.chance.randrange(5, 25)):
            self.proxy.faults.add(REQUESTS, self.chance.choice(FAULTS))

    def spoil_metrics(self) -> None:
        """The metrics server refuses, or answers too late."""
        self.site.meters.set_all(self.chance.choice(ILLS))
        self.strikes["metrics server unwell or slow"] += 1
        until = time.monotonic() + self.chance.uniform(0.5, 4)
        self._amends.append((until, lambda: self.site.meters.set_all(None)))

    def steal(self) -> None:
        """For a second somebody else takes messages, and gives them back late, or twice."""
        thief = threading.Thread(target=self._steal, args=(random.Random(self.chance.random()),))
        self._thieves.append(thief)
        thief.start()

    # --- how

    def _victim(self) -> Process | None:
        members = self.site.crew.members
        process = self.chance.choice(list(members.values()))
        is_enough = len(self._struck & members.keys()) >= MOST_STRUCK
        return None if is_enough or not self._takes(process) else process

    def _takes(self, process: Process) -> bool:
        """Whether `process` is whole; it is struck from now on."""
        if process.name in self._struck:
            return False
        self._struck.add(process.name)
        return True

    def _later(self, seconds: float, process: Process, amend: Callable[[], None]) -> None:
        def amended() -> None:
            amend()
            self._struck.discard(process.name)

        self._amends.append((time.monotonic() + seconds, amended))

    def _stand_still(self, process: Process, seconds: float) -> None:
        pid = process.pid
        os.kill(pid, signal.SIGSTOP)
        self._note("frozen", process)
        self._later(seconds, process, lambda: os.kill(pid, signal.SIGCONT))

    def _note(self, what: str, process: Process) -> None:
        role = process.name.partition("-")[0] if process.name[-1].isdigit() else process.name
        self.strikes[f"{role} {what}"] += 1

    def _steal(self, chance: random.Random) -> None:
        until, late = time.monotonic() + 1, []
        with contextlib.closing(self.site.crew.valkey.client()) as client:
            while time.monotonic() < until:
                with contextlib.suppress(redis.RedisError):
                    taken = client.brpop(KEYS, timeout=1)
                    if taken and chance.random() < 0.5:
                        client.lpush(taken[0], taken[1], taken[1])
                        self.strikes["messages duplicated"] += 1
                        time.sleep(0.02)  # for somebody else to take them
                    elif taken:
                        late.append(taken)
            time.sleep(chance.uniform(0.5, 8))
            chance.shuffle(late)
            for key, message in late:
                with contextlib.suppress(redis.RedisError):
                    client.lpush(key, message)
                    self.strikes["messages delayed, out of order"] += 1


STRIKES: Final = (
    *[Adversary.kill] * 4,
    *[Adversary.freeze] * 4,
    *[Adversary.fault] * 4,
    *[Adversary.steal] * 3,
    *[Adversary.spoil_metrics] * 2,
    Adversary.freeze_server,
    Adversary.flush,
    Adversary.restart_redis,
)
"""What is chosen from; several are likelier."""
