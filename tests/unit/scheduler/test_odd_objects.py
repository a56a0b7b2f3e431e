"""One odd object harms nobody: lists and watches go on, whatever bytes it is made of.

A server that speaks list and watch sends, among good canaries, one that no parser or no rule
expects; what is watched and would be stored is compared. Left out: which manifests are refused for
what they say (tests/unit/config), and what a real API server lets through
(tests/contract/test_odd_objects.py).
"""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clients.clock import ManualClock
from clients.documents import world as documents
from clients.documents.world import World
from clients.kube import connect, decoding, resources
from clients.kube.rest import KubeHttp
from clients.kube.transport import Limits
from config.refs import CanaryRef
from scheduler.backlog import Backlog
from scheduler.index import Index
from scheduler.reflector import Reflector
from tests.unit.clients.scripted import Script, reply, serving, stream
from tests.unit.scheduler import worlds

ODD: Final = CanaryRef("prod", "odd")
GOOD: Final = (CanaryRef("prod", "first"), CanaryRef("prod", "last"))


def nested(depth: int, opening: str = '{"a":', inner: str = "{}", closing: str = "}") -> str:
    """JSON text of so many levels."""
    return opening * depth + inner + closing * depth


#: Texts that stand for a value; none of them is one that a parser here likes.
UNFIT: Final[Mapping[str, str]] = {
    "objects, just too deep": nested(decoding.LEVELS),
    "objects, deep": nested(1_200),
    "objects, deeper than any parser": nested(9_000),
    "lists, deeper than any parser": nested(9_000, "[", "[]", "]"),
    "lists with braces in their texts": nested(1_200, '["}]}\\"",', '"{["', "]"),
    "no number": "NaN",
    "infinity": "-Infinity",
    "a fraction beyond 64 bits": "1e999",
    "a whole number beyond 64 bits": "9" * 30,
    "a whole number beyond Python": "9" * 5_000,
    "half a character": '"\\ud800"',
    "half a character as a key": '{"\\uDFFF": 1}',
    "bytes that are no text": '"\xff"',
}
#: Texts that are odd, and still JSON that can be handled, whatever is then thought of it.
STRANGE: Final[Mapping[str, str]] = {
    "a key twice": '{"a": 1, "a": {"a": 2}}',
    "a megabyte and a half": '"' + "x" * 1_500_000 + '"',
    "many lists": "[" + ",".join(["[]"] * 10_000) + "]",
    "nothing": "null",
    "a number": "5",
    "a text": '"text"',
    "an empty text": '""',
    "a list": "[[], {}]",
    "an object": '{"": {}}',
    "a truth": "true",
    "a whole character": '"\\ud83d\\ude00"',
    "a control character": '"\\u0000"',
    "objects, just not too deep": nested(decoding.LEVELS - 12),
}
PLACES: Final = (
    "",
    "apiVersion",
    "kind",
    "metadata",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.generation",
    "metadata.resourceVersion",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
    "metadata.annotations",
    "metadata.annotations.x",
    "metadata.labels",
    "metadata.finalizers",
    "metadata.managedFields",
    "metadata.ownerReferences",
    "spec",
    "spec.targetRef",
    "spec.targetRef.name",
    "spec.service",
    "spec.service.hosts",
    "spec.analysis",
    "spec.analysis.stepWeight",
    "spec.analysis.metrics",
    "spec.canaryAnalysis",
    "spec.unknown",
    "status",
    "status.phase",
    "status.conditions",
    "status.canaryWeight",
)


def odd_canary(place: str, text: str, version: str) -> bytes:
    """The canary `odd` with `text` as the JSON of what is in `place`."""
    mark = "\x01the odd part\x01"
    raw: Any = worlds.a_canary("odd", status={"phase": "Initialized"})
    raw["metadata"]["resourceVersion"] = version
    holder = raw
    *outer, last = place.split(".")
    for key in outer:
        holder = holder.setdefault(key, {})
    holder[last] = mark
    whole = text if not place else json.dumps(raw).replace(json.dumps(mark), text)
    return whole.encode("latin-1")


def good_canary(ref: CanaryRef, version: str, **analysis: Any) -> bytes:
    """A canary that can be carried out."""
    raw = worlds.a_canary(ref.name, generation=int(version), **analysis)
    raw["metadata"]["resourceVersion"] = version
    return json.dumps(raw).encode()


def page(*items: bytes) -> bytes:
    """A list of these."""
    return b'{"metadata":{"resourceVersion":"5"},"items":[' + b",".join(items) + b"]}"


def line(kind: str, item: bytes) -> bytes:
    """A line of a watch."""
    return b'{"type":"' + kind.encode() + b'","object":' + item + b"}\n"


class Watch:
    """A reflector of canaries over HTTP, and what it has learned."""

    def __init__(self, script: Script, door: KubeHttp) -> None:
        self.script = script
        self.backlog = Backlog(Index(worlds.POLICY, worlds.LABELS))
        self.reflector = Reflector(
            resources.CANARIES,
            door,
            self.backlog,
            namespace=None,
            clock=ManualClock(worlds.START),
            random=lambda: 0.5,
            timeout=lambda: timedelta(seconds=1),
        )

    def lists(self, *items: bytes) -> None:
        """The server lists these."""
        self.script.answers[:] = [reply(200, page(*items))]
        self.reflector.step()

    def happens(self, *lines: bytes) -> None:
        """The server sends these and ends the watch."""
        self.script.answers[:] = [stream(*lines)]
        self.reflector.step()

    def world(self, ref: CanaryRef) -> World:
        """What would be stored of a canary, which can be stored."""
        ((_, found, _),) = self.backlog.take_whole([ref])
        assert found is not None
        assert documents.decode(documents.encode(found), str(documents.VERSION)) == found
        return found

    def refusal(self, ref: CanaryRef) -> str:
        """Why the canary is not acted on as it is written; empty when it is."""
        admission = self.world(ref).admission
        assert admission is not None
        return "; ".join(each.message for each in admission.problems if each.blocking)


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    """An API server that says what a test has scripted."""
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def door(script: Script) -> Iterator[KubeHttp]:
    """The door to it."""
    door = connect.connect(role="test", url=script.url, limits=Limits(retries=0))
    yield door
    door.close()


oddities: Final = st.tuples(
    st.sampled_from(PLACES), st.sampled_from([*UNFIT.values(), *STRANGE.values()])
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(listed=oddities, watched=oddities)
@example(listed=("metadata.finalizers", "5"), watched=("metadata.finalizers", "true"))
def test_no_object_stops_a_list_or_a_watch(
    script: Script, door: KubeHttp, listed: tuple[str, str], watched: tuple[str, str]
) -> None:
    """Whatever is in the middle, who comes before and after is known, listed and watched."""
    watch = Watch(script, door)

    watch.lists(good_canary(GOOD[0], "1"), odd_canary(*listed, "2"), good_canary(GOOD[1], "3"))
    assert watch.reflector.synced
    assert [watch.refusal(ref) for ref in GOOD] == ["", ""]

    watch.happens(
        line("MODIFIED", good_canary(GOOD[0], "6", threshold=2)),
        line("MODIFIED", odd_canary(*watched, "7")),
        line("MODIFIED", good_canary(GOOD[1], "8", threshold=2)),
    )
    assert watch.reflector._version == "8"
    for ref in GOOD:
        manifest = watch.world(ref).canary
        assert manifest is not None
        assert manifest["spec"]["analysis"]["threshold"] == 2
    for ref in watch.backlog.refs():
        watch.world(ref)


@pytest.mark.parametrize("text", UNFIT.values(), ids=UNFIT.keys())
@pytest.mark.parametrize("place", ["spec.canaryAnalysis", "spec.unknown", "status.phase"])
def test_an_odd_object_is_set_aside_and_said_to_be(
    script: Script, door: KubeHttp, caplog: pytest.LogCaptureFixture, place: str, text: str
) -> None:
    """It is not accepted, for a reason that its author is told, and a log line names it.

    What was accepted before stays in force, so that a rollout of it can be rolled back; an edit
    that heals it is accepted again.
    """
    watch = Watch(script, door)
    watch.lists(good_canary(GOOD[0], "1"), good_canary(ODD, "2"))
    accepted = watch.world(ODD).canary
    assert accepted is not None

    with caplog.at_level(logging.WARNING):
        watch.happens(line("MODIFIED", odd_canary(place, text, "6")))

    assert watch.refusal(ODD).startswith(f"the object cannot be read: {place}")
    assert watch.world(ODD).canary == accepted
    (record,) = [each for each in caplog.records if each.message == "odd object set aside"]
    assert vars(record)["object"] == str(ODD)

    watch.happens(line("MODIFIED", good_canary(ODD, "7")))
    assert watch.refusal(ODD) == ""


def test_what_nobody_reads_does_not_make_an_object_odd(script: Script, door: KubeHttp) -> None:
    """`managedFields` mirror the object and nest deeper than it; they are dropped unread."""
    watch = Watch(script, door)
    for version, depth in enumerate((70, 1_200, 9_000), start=2):
        odd = odd_canary("metadata.managedFields", f"[{nested(depth)}]", str(version))
        watch.lists(odd)
        assert watch.refusal(ODD) == ""
        watch.reflector._version = None


def test_a_line_that_is_no_json_is_passed_by_listing_again(script: Script, door: KubeHttp) -> None:
    """Asked from where it was, the server would send the same line for ever."""
    watch = Watch(script, door)
    watch.lists(good_canary(GOOD[0], "1"))
    watch.happens(b'{"type":"MODIFIED","object":{oops}}\n')
    assert not watch.backlog.refs().intersection({GOOD[1]})

    watch.lists(good_canary(GOOD[0], "1"), good_canary(GOOD[1], "6"))

    assert watch.backlog.refs() == set(GOOD)
