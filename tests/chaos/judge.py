"""What the API server's own record says of the rollouts: its watch, its audit log, its events.

What Coalmine says of itself elsewhere, in logs or in Redis, is not asked for.
"""

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis
from kombu.transport.redis import Channel

from analysis import recorded
from clients.redis import keys
from clients.redis.keys import Lifetime
from config.roles import Queue
from tasks import queues
from tests.services.cluster import Request
from tests.system.history import Sighting
from tests.system.site import canary_weight

FIRST: Final = "registry.example/app:1"
SECOND: Final = "registry.example/app:2"
STEPS: Final = (40, 80)
LASTING_SECONDS: Final = 1.0
"""How long a write of a stale holder may be in force."""
REBUILT_SECONDS: Final = 30.0
"""After a loss of Redis, in which a weight may fall to what is sure."""
APART_SECONDS: Final = 1.5
"""Half an interval: what has been in force for less, no check can have failed for."""
UNTOLD_SECONDS: Final = 15.0
"""How long an event may wait for a report worker; those that waited in a lost Redis are lost."""
DECIDED_SECONDS: Final = 10.0
"""How long before it is in force, or shown, something may have been decided."""
WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
LISTS: Final = tuple(
    f"cq:{queue}{Channel.sep}{priority}" if priority else f"cq:{queue}"
    for queue in Queue
    for priority in sorted(set(queues.PRIORITIES.values()))
)
"""The lists in which messages wait, one for each priority."""
OF_CELERY: Final = "|".join([r"cq:_kombu\..*", "cq:unacked.*", *map(re.escape, LISTS)])


@dataclass(frozen=True)
class Violation:
    """Something that must not be."""

    subject: str
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.rule}: {self.detail}"


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What the record has of one rollout; `losses` are the moments at which Redis lost all.

    `routes`, `canaries` and `primaries` are all versions of its three objects, since before its
    release, `messages` those of its events.
    """

    name: str
    namespace: str
    is_bad: bool
    released: float
    losses: Sequence[float]
    messages: frozenset[str]
    routes: Sequence[Sighting]
    canaries: Sequence[Sighting]
    primaries: Sequence[Sighting]

    @property
    def weights(self) -> list[tuple[float, int]]:
        """Since when the canary had which weight, without repetitions."""
        seen = [(one.at, canary_weight(one.object)) for one in self.routes]
        rows = itertools.groupby(seen, key=lambda each: each[1])
        return [next(group) for _, group in rows]

    @property
    def statuses(self) -> list[Sighting]:
        """The versions of the Canary since the release."""
        return [one for one in self.canaries if one.at >= self.released]

    @property
    def ended(self) -> float | None:
        """When the rollout was shown as over, for good; None: not yet."""
        over = {"Succeeded", "Failed"}
        backwards = reversed(self.statuses)
        last = list(itertools.takewhile(lambda one: _phase(one) in over, backwards))
        return last[-1].at if last else None

    def entered(self, weight: int) -> float | None:
        """When the canary first had `weight` since the release."""
        return next(
            (at for at, seen in self.weights if seen == weight and at > self.released), None
        )

    def lost(self, since: float, until: float) -> bool:
        """Whether Redis lost all it held between these moments."""
        at = bisect.bisect_left(self.losses, since)
        return at < len(self.losses) and self.losses[at] <= until

    @property
    def story(self) -> str:
        """What the record has of it, for whoever looks into a violation; seconds since release."""
        told = [(at, f"weight {weight}") for at, weight in self.weights]
        for one in self.statuses:
            said = _status(one)
            version = recorded.version(said)
            told.append((one.at, f"{_phase(one)} {said.get('canaryWeight')} v{version}"))
        told += [(at, "Redis lost all") for at in self.losses]
        rows = (f"{at - self.released:.1f} {text}" for at, text in sorted(told))
        return f"{self.name}: {', '.join(rows)}"

    # --- the rules

    def violations(self) -> Iterator[Violation]:
        """What is wrong about it."""
        rules = (
            self._end,
            self._unfailed,
            self._plan,
            self._standing,
            self._risen,
            self._told,
        )
        for rule in rules:
            name = (rule.__doc__ or "").rstrip(".")
            yield from (Violation(self.name, name, detail) for detail in rule())

    def _end(self) -> Iterator[str]:
        """A good one is promoted, a bad one rolled back, none is stuck."""
        wanted = ("Failed", FIRST, 0) if self.is_bad else ("Succeeded", SECOND, 0)
        last = self.statuses[-1:]
        phase = _phase(last[0]) if last else "never shown"
        ran = [_image(one) for one in self.primaries]
        found = (phase, ran[-1], self.weights[-1][1])
        if found != wanted:
            yield f"{found}, not {wanted}"
        if self.is_bad and SECOND in ran:
            yield "the primary ran the bad revision"

    def _unfailed(self) -> Iterator[str]:
        """A good one is never shown as failed."""
        failed = [one for one in self.statuses if _phase(one) == "Failed"]
        if failed and not self.is_bad:
            yield f"Failed after {failed[0].at - self.released:.1f} s"

    def _plan(self) -> Iterator[str]:
        """No weight is off its plan."""
        planned = {0, STEPS[0]} if self.is_bad else {0, *STEPS}
        for at, weight in self.weights:
            if weight not in planned:
                yield f"{weight} after {at - self.released:.1f} s"

    def _standing(self) -> Iterator[str]:
        """A write of a stale holder is not in force for more than a second."""
        rows = self.weights
        spans = zip(rows, rows[1:], rows[2:], strict=False)
        for (_, before), (at, weight), (until, _) in spans:
            is_end = self.ended is not None and weight == 0 and until > self.ended
            is_back = weight < before and not is_end and not self.lost(at - REBUILT_SECONDS, at)
            is_over = weight > 0 and self.ended is not None and at > self.ended
            if (is_back or is_over) and until - at > LASTING_SECONDS:
                yield f"{weight} after {before}, for {until - at:.1f} s"

    def _risen(self) -> Iterator[str]:
        """No weight rises in a tick with a failed check."""
        both = itertools.pairwise(self.weights)
        rises = [at for (_, before), (at, weight) in both if weight > before]
        for before, after in itertools.pairwise(self.statuses):
            failed = _status(after).get("failedChecks", 0)
            if failed <= _status(before).get("failedChecks", 0):
                continue
            if any(abs(at - after.at) < APART_SECONDS for at in rises):
                yield f"{failed} failed after {after.at - self.released:.1f} s"

    @property
    def untold(self) -> list[str]:
        """The events that must be there and are not."""
        return list(self._told())

    def _told(self) -> Iterator[str]:
        """No event is lost."""
        for text in self.expected():
            if not any(message.startswith(text) for message in self.messages):
                yield text

    def expected(self) -> Iterator[str]:
        """How the events that must be there begin.

        Left out are those that may have waited in Redis when it lost all it held.
        """
        name, ended = f"{self.name}.{self.namespace}", self.ended
        steps = [self.entered(step) for step in STEPS]
        last_step = max((at for at in steps if at), default=self.released)
        returned = self.weights[-1][0]
        decided = min(returned, ended or returned) if self.is_bad else last_step
        told = [
            (f"Advance {name} canary weight {step}", at)
            for step, at in zip(STEPS, steps, strict=True)
        ]
        ends = (
            ("Rolling back {} failed checks", "Canary failed! Scaling down {}")
            if self.is_bad
            else ("Copying ", "Promotion completed! Scaling down {}")
        )
        for text, at in (*told, *((each.format(name), ended) for each in ends)):
            since = decided if at == ended else at
            if at and since and not self.lost(since - DECIDED_SECONDS, at + UNTOLD_SECONDS):
                yield text


def of_writers(requests: Iterable[Request], routing: str) -> Iterator[Violation]:
    """Writes of VirtualServices by anybody but the routing account, the user `routing`."""
    for one in requests:
        is_route = one.resource.startswith("virtualservices")
        if is_route and one.verb in WRITES and one.user != routing:
            yield Violation(one.name, "only the routing account writes routes", one.user)


def of_keys(client: "redis.Redis[bytes]") -> Iterator[Violation]:
    """Keys without a lifetime that are not declared to have none."""
    rows = [row for row in keys.TABLE if row.lifetime is not Lifetime.EXPIRES]
    lasting = [re.escape(row.pattern).replace("NAMESPACE/NAME", "[^}]+") for row in rows]
    allowed = re.compile("|".join([*lasting, OF_CELERY]))
    for raw in client.scan_iter(count=1000):
        key = raw.decode()
        if not allowed.fullmatch(key) and client.ttl(raw) == -1:
            yield Violation(key, "no key without a lifetime but those declared", "in Redis")


def _status(canary: Sighting) -> Mapping[str, Any]:
    return canary.object.get("status") or {}


def _phase(canary: Sighting) -> str:
    return str(_status(canary).get("phase") or "")


def _image(deployment: Sighting) -> str:
    return str(deployment.object["spec"]["template"]["spec"]["containers"][0]["image"])
