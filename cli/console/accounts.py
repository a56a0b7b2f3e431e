"""Where the timeline comes from: any process of Coalmine that serves `cli.api`.

Asked at a URL, or through a port-forward to one of its pods. Where nobody can be asked, what is
missing and how to get it is a value too, `Absent`: status and events are shown all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final, Protocol
from urllib.parse import quote, urlencode

from cli.console import raw, timeline
from cli.console.raw import Raw
from cli.console.timeline import Account
from clients import aside, errors
from clients.clock import Clock
from clients.http import reading
from clients.kube.protocol import Kube
from clients.kube.resources import PODS
from config.refs import CanaryRef
from config.settings.groups import ServerSettings
from config.well_known import INSTALLED_IN

LABEL: Final = "app.kubernetes.io/name=coalmine"
"""Of the pods of an installation."""
PORT: Final = ServerSettings().port
PORT_NAME: Final = "http"

DECISIONS: Final = 200
"""That are asked for: all that are kept."""
PATIENCE: Final = timedelta(seconds=5)
"""How long is waited for an account, whoever is asked."""
HEDGES: Final = 5
"""Of that time the part after which a pod that says nothing is not waited for alone."""
MOST_BYTES: Final = 8 * 2**20
TRIED: Final = 3
"""Pods that are asked."""

_HELP: Final = "give --server for a local `coalmine up`, which logs its port as `health served`"


@dataclass(frozen=True, slots=True)
class Absent:
    """Why there is no timeline, and how to get it, in one line."""

    why: str


Answer = Account | Absent
Ask = Callable[[CanaryRef, datetime], Answer]
"""The account of a canary; the time is that of this machine."""


class Forward(Protocol):
    """As `clients.kube.forward.Forward`."""

    def get(
        self, namespace: str, pod: str, port: int, path: str, *, timeout: timedelta, most: int
    ) -> tuple[int, bytes]:
        """Status and body of a GET at a pod."""
        ...


def path(ref: CanaryRef) -> str:
    """What is asked for."""
    named = {key: quote(part, safe="") for key, part in ref._asdict().items()}
    return f"{timeline.PATH.format(**named)}?{urlencode({'limit': DECISIONS})}"


def of_server(url: str) -> Ask:
    """Asks the process at `url`."""

    def ask(ref: CanaryRef, now: datetime) -> Answer:
        try:
            got = reading.get(url.rstrip("/") + path(ref), timeout=PATIENCE, most=MOST_BYTES)
        except errors.ClientError as failure:
            return Absent(f"no timeline: {failure.message}; see whether --server is right")
        return read(*got, ref, now)

    return ask


def of_pods(
    kube: Kube, connect: Callable[[], Forward], clock: Clock, patience: timedelta = PATIENCE
) -> Ask:
    """Asks pods of the installation, those that are ready first, through `connect`'s forwarding.

    They are listed again when those that were there have not answered: pods are replaced.
    """

    def ask(ref: CanaryRef, now: datetime) -> Answer:
        ends = clock.monotonic() + patience.total_seconds()
        bounded, tried = kube.until(ends), list[Pod]()
        answer: Answer = Absent(f"no timeline: no running pod has the label {LABEL}; {_HELP}")
        while True:
            try:
                untried = [pod for pod in installed(bounded) if pod not in tried]
            except errors.ClientError as failure:
                why = f"its pods cannot be listed ({failure.message}); {_HELP}"
                return answer if tried else Absent(f"no timeline: {why}")
            chosen = untried[: TRIED - len(tried)]
            if not chosen:
                return answer
            tried += chosen
            answer = _first(
                chosen,
                lambda pod: _of_pod(connect(), pod, ref, now, _left(ends, clock)),
                lambda: _left(ends, clock),
                patience,
            )
            if isinstance(answer, Account):
                return answer

    return ask


def _left(ends: float, clock: Clock) -> timedelta:
    return timedelta(seconds=max(ends - clock.monotonic(), 0))


def _first(
    pods: Sequence[Pod],
    ask: Callable[[Pod], Answer],
    left: Callable[[], timedelta],
    whole: timedelta,
) -> Answer:
    """The first account; without one what was said last, or who says nothing.

    The next pod is asked when one has said no, or nothing for a while.
    """
    answer: Answer = Absent("")
    rest, silent = list(pods), dict[Future[Answer], Pod]()
    while rest or silent:
        if rest:
            pod = rest.pop(0)
            silent[aside.begun(partial(ask, pod))] = pod
        patience = min(whole / HEDGES, left()) if rest else left()
        done, _ = wait(silent, patience.total_seconds(), FIRST_COMPLETED)
        for future in done:
            del silent[future]
            answer = future.result()
            if isinstance(answer, Account):
                return answer
        if not done and not left():
            names = ", ".join(f"{pod.namespace}/{pod.name}" for pod in silent.values())
            why = f"no answer within {whole.total_seconds():g}s from {names}"
            return Absent(f"no timeline: {why}")
    return answer


@dataclass(frozen=True, slots=True)
class Pod:
    """Where a process of Coalmine listens."""

    namespace: str
    name: str
    port: int


def installed(kube: Kube) -> Sequence[Pod]:
    """The running pods of the installation. Raises ClientError."""
    try:
        items = _labelled(kube, None)
    except errors.Permanent as refusal:
        if refusal.status != errors.FORBIDDEN:
            raise
        items = _labelled(kube, INSTALLED_IN)
    return tuple(running(items))


def read(status: int, body: bytes, ref: CanaryRef, now: datetime) -> Answer:
    """The account in an HTTP answer."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if status == 200 and isinstance(raw.at(document, "entries"), list):
        return timeline.account(document, now)
    if status == 404 and raw.text(document, "error"):
        why = f"Coalmine knows no canary {ref} yet, or it is another installation's"
        return Absent(f"no timeline: {why}")
    words = raw.text(document, "error") or "not Coalmine's answer"
    return Absent(f"no timeline: the server answers {status}: {errors.capped(words)}")


def _of_pod(
    forward: Forward, pod: Pod, ref: CanaryRef, now: datetime, patience: timedelta
) -> Answer:
    place, asked = (pod.namespace, pod.name, pod.port), path(ref)
    try:
        got = forward.get(*place, asked, timeout=patience, most=MOST_BYTES)
    except errors.ClientError as failure:
        right = failure.status == errors.FORBIDDEN
        way = "have somebody grant get and create of pods/portforward there" if right else _HELP
        return Absent(f"no timeline: {failure.message}; {way}")
    return read(*got, ref, now)


def _labelled(kube: Kube, namespace: str | None) -> Iterator[Raw]:
    query = urlencode({"labelSelector": LABEL, "limit": 100})
    return raw.mappings(kube.request("GET", f"{PODS.path(namespace)}?{query}"), "items")


def running(items: Iterable[Raw]) -> Iterator[Pod]:
    """The pods that run: first those that are ready, last those that are going."""
    pods = [each for each in items if raw.text(each, "status", "phase") == "Running"]
    for item in sorted(pods, key=lambda each: (_is_going(each), _is_unready(each))):
        where = raw.at(item, "metadata")
        port = next(islice(_ports(item), 1), PORT)
        yield Pod(raw.text(where, "namespace"), raw.text(where, "name"), port)


def _ports(item: Raw) -> Iterator[int]:
    for container in raw.mappings(item, "spec", "containers"):
        for port in raw.mappings(container, "ports"):
            if raw.text(port, "name") == PORT_NAME:
                yield raw.number(port, "containerPort")


def _is_going(item: Raw) -> bool:
    return bool(raw.text(item, "metadata", "deletionTimestamp"))


def _is_unready(item: Raw) -> bool:
    return not any(
        raw.text(each, "type") == "Ready" and raw.text(each, "status") == "True"
        for each in raw.mappings(item, "status", "conditions")
    )
