"""Who kills, freezes, empties, cuts and repeats, by a seed, so many times."""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import redis

from tests.chaos.judge import LISTS
from tests.services.processes import Process
from tests.system import meters
from tests.system.meters import Health
from tests.system.proxy import Answer, Cut, Delay, Fault, Proxy
from tests.system.site import Site

T = TypeVar("T")

FREEZES: Final = (1.0, 4.0, 9.0, 12.0)
"""Seconds that a process stands still: shorter than its leases, and longer than all of them."""
FAULTS: Final[Sequence[Fault]] = (
    Answer(409),
    Answer(429, retry_after_seconds=1),
    Answer(500),
    Delay(1.5),
    Cut(after=False),
    Cut(after=True),
)
REQUESTS: Final = "^(PATCH|POST|PUT) |watch="
ILLS: Final = (
    meters.unwell(503),
    meters.unwell(429),
    meters.unwell(meters.CUT),
    Health(delay_seconds=1.5),
)
REPLACED_WITHIN: Final = 15.0
"""Seconds that a process has to end when it is asked to; a Deployment gives 30."""
MOST_STRUCK: Final = 2
"""Processes that are dead or frozen at once."""


class Deck(Generic[T]):
    """Deals each of `cards` in an order of chance, and none again before all the others."""

    def __init__(self, chance: random.Random, cards: Sequence[T]) -> None:
        self._chance = chance
        self._cards = cards
        self._left: list[T] = []

    def deal(self) -> T:
        """The next card."""
        self._left = self._left or self._chance.sample(self._cards, len(self._cards))
        return self._left.pop()

    def put_back(self, card: T) -> None:
        """Has `card` dealt after all others that are left."""
        self._left.insert(0, card)


@dataclass
class Adversary:
    """Strikes `site`, whose processes reach the API server through `proxy`; for one thread."""

    site: Site
    proxy: Proxy
    chance: random.Random
    left: int
    """How many strikes there are still to be."""
    pace: tuple[float, float]
    """At least and at most so many seconds from one to the next."""
    strikes: Counter[str] = field(default_factory=Counter)
    losses: list[float] = field(default_factory=list)
    """When Redis lost all it held, in seconds since the epoch."""
    _amends: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _struck: set[str] = field(default_factory=set)
    _thieves: list[threading.Thread] = field(default_factory=list)
    _next: float = 0.0

    def __post_init__(self) -> None:
        """Shuffles everything that is chosen from."""
        self._deck = Deck(self.chance, STRIKES)
        self._faults = Deck(self.chance, FAULTS)
        self._ills = Deck(self.chance, ILLS)
        self._freezes = Deck(self.chance, FREEZES)
        self._members = Deck(self.chance, list(self.site.processes.members))

    def step(self) -> None:
        """Strikes when it is time, and gives back what was taken long enough."""
        now = time.monotonic()
        due = [each for each in self._amends if each[0] <= now]
        for each in due:
            self._amends.remove(each)
            each[1]()
        self.supervise()
        if now >= self._next and self.left:
            self._next = now + self.chance.uniform(*self.pace)
            self._strike()

    def _strike(self) -> None:
        """The next one of the deck; one for which there is nobody left comes later."""
        strike = self._deck.deal()
        if strike(self):
            self.left -= 1
        else:
            self._deck.put_back(strike)

    def supervise(self) -> None:
        """Starts again whoever has ended by itself, as a Deployment would."""
        for process in self.site.processes.members.values():
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

    # --- strikes: each says whether there was somebody to strike

    def kill(self) -> bool:
        """A process dies at once, and is started again as a Deployment would."""
        process = self._victim()
        if process is not None:
            process.kill()
            self._note("killed", process)
            self._later(self.chance.uniform(0.2, 4), process, process.start)
        return process is not None

    def replace(self) -> bool:
        """A process is asked to end, and another starts when it has, as in an update."""
        process = self._victim()
        if process is not None:
            process.ask_to_end()
            self._note("replaced", process)

            def replaced() -> None:
                process.stop(REPLACED_WITHIN)
                process.start()

            self._later(self.chance.uniform(0.2, 4), process, replaced)
        return process is not None

    def freeze(self) -> bool:
        """A process stands still, perhaps past all of its leases."""
        process = self._victim()
        if process is not None:
            self._stand_still(process, self._freezes.deal())
        return process is not None

    def flush(self) -> bool:
        """Redis is emptied."""
        if not self._takes(self.site.processes.valkey.process):
            return False
        self.site.processes.valkey.flush()
        self.losses.append(time.time())
        self.strikes["Valkey emptied"] += 1
        self._struck.discard(self.site.processes.valkey.process.name)
        return True

    def restart_redis(self) -> bool:
        """Redis dies, and comes back with nothing in it."""
        process = self.site.processes.valkey.process
        if not self._takes(process):
            return False
        process.kill()
        self.losses.append(time.time())
        self.strikes["Valkey restarted, empty"] += 1
        self._later(self.chance.uniform(0.2, 2), process, process.start)
        return True

    def freeze_redis(self) -> bool:
        """Redis accepts and does not answer."""
        return self._freeze_server(self.site.processes.valkey.process)

    def freeze_api_server(self) -> bool:
        """The API server accepts and does not answer."""
        return self._freeze_server(self.site.plane.apiserver)

    def cut_off(self) -> bool:
        """Nobody reaches the API server, and all watches end."""
        faults = self.proxy.faults
        faults.cut_off()
        self.strikes["API server cut off"] += 1
        until = time.monotonic() + self.chance.uniform(0.5, 4)
        self._amends.append((until, faults.restore))
        return True

    def fault(self) -> bool:
        """Some of the next requests to the API server are refused, late or cut off."""
        for _ in range(self.chance.randrange(5, 25)):
            self.proxy.faults.add(REQUESTS, self._faults.deal())
        return True

    def spoil_metrics(self) -> bool:
        """The metrics server refuses, answers too late, or hangs up."""
        self.site.meters.set_all(self._ills.deal())
        self.strikes["metrics server refuses, is slow or cut off"] += 1
        until = time.monotonic() + self.chance.uniform(0.5, 4)
        self._amends.append((until, lambda: self.site.meters.set_all(None)))
        return True

    def steal(self) -> bool:
        """For a second somebody else takes messages, and gives them back late, or twice."""
        thief = threading.Thread(target=self._steal, args=(random.Random(self.chance.random()),))
        self._thieves.append(thief)
        thief.start()
        return True

    # --- how

    def _victim(self) -> Process | None:
        members = self.site.processes.members
        if len(self._struck & members.keys()) >= MOST_STRUCK:
            return None
        dealt = (members[self._members.deal()] for _ in members)
        return next((process for process in dealt if self._takes(process)), None)

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

    def _freeze_server(self, process: Process) -> bool:
        is_whole = self._takes(process)
        if is_whole:
            self._stand_still(process, self.chance.uniform(0.5, 3))
        return is_whole

    def _stand_still(self, process: Process, seconds: float) -> None:
        pid = process.pid
        os.kill(pid, signal.SIGSTOP)
        self._note("frozen", process)
        self._later(seconds, process, lambda: os.kill(pid, signal.SIGCONT))

    def _note(self, what: str, process: Process) -> None:
        role = process.name.partition("-")[0] if process.name[-1].isdigit() else process.name
        self.strikes[f"{role} {what}"] += 1

    def _steal(self, chance: random.Random) -> None:
        until, copies = time.monotonic() + 1, 0
        late: list[Any] = []
        with contextlib.closing(self.site.processes.valkey.client()) as client:
            # Where little is said, longer: for at least one message of each kind.
            while time.monotonic() < (until if copies and late else until + 5):
                with contextlib.suppress(redis.RedisError):
                    taken = client.brpop(chance.sample(LISTS, len(LISTS)), timeout=1)
                    if taken and ((late and not copies) or chance.random() < 0.5):
                        copies += 1
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


Strike = Callable[[Adversary], bool]
STRIKES: Final[Sequence[Strike]] = (
    *[Adversary.kill] * 4,
    *[Adversary.replace] * 3,
    *[Adversary.freeze] * 4,
    *[Adversary.fault] * 3,
    *[Adversary.steal] * 3,
    *[Adversary.spoil_metrics] * 2,
    Adversary.cut_off,
    Adversary.freeze_redis,
    Adversary.freeze_api_server,
    Adversary.flush,
    Adversary.restart_redis,
)
"""What is dealt; several are likelier."""
