"""Several canaries in one job: what travels together, and what is kept apart.

Left out: what the steps of a tick or of a run are (test_analyst.py, test_writers.py, scenarios).
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.effects import Lane
from analysis.findings import CheckResult
from analysis.metrics.checks import Check
from clients import errors
from clients.redis import rollouts
from clients.redis.records import Asked, Begun, Commit, Work
from clients.redis.scripts import Invocation
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue
from tasks import batch
from tasks.batch import Crew
from tasks.calling import THREADS
from tasks.steps import CallHook, Measure, Nudge, Steps, ask, awaited
from tests import patience
from tests.fakes import memory_redis
from tests.stage.measuring import Meters
from tests.stores import DirectStore

REFS: Final = tuple(CanaryRef("shop", name) for name in ("cart", "till", "wish"))
LEASE: Final = timedelta(seconds=8)


class Counted(DirectStore):
    """A store that knows how many canaries each round trip was about."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.trips: list[int] = []
        self.failing: list[errors.ClientError] = []

    def run_all(self, asked: Sequence[Invocation[Any]]) -> list[Any]:
        """As the store does; fails as a test wants."""
        self.trips.append(len(asked))
        if self.failing:
            raise self.failing.pop()
        return super().run_all(asked)


@dataclass
class Sent:
    """A dispatcher that keeps what it is given."""

    messages: list[tuple[str, tuple[CanaryRef, ...]]] = field(default_factory=list)
    ranks: list[Rank] = field(default_factory=list)

    def tick(self, refs: Sequence[CanaryRef], rank: Rank) -> None:
        """Keeps a tick."""
        self.messages.append(("tick", tuple(refs)))
        self.ranks.append(rank)

    def reconcile(
        self,
        refs: Sequence[CanaryRef],
        lane: Lane,
        rank: Rank,
        *,
        if_due: bool = False,  # noqa: ARG002
    ) -> None:
        """Keeps a nudge."""
        self.messages.append((lane.value, tuple(refs)))
        self.ranks.append(rank)

    def call(self, asked: Sequence[Asked], rank: Rank) -> None:
        """Keeps calls."""
        self.messages.append(("call", tuple(each.ref for each in asked)))
        self.ranks.append(rank)

    def waiting(self) -> Mapping[Queue, int]:
        """Nobody asks."""
        return {}


@pytest.fixture
def store() -> Counted:
    """An empty store whose content is confirmed."""
    store = Counted(memory_redis.connect())
    memory_redis.confirm(store)
    store.trips.clear()
    return store


@pytest.fixture
def crew(store: Counted) -> Crew:
    """A crew over that store."""
    return Crew(store, Meters(), Sent())


def begin(ref: CanaryRef) -> Steps[Begun | None]:
    """The lease on a tick."""
    return (yield from ask(rollouts.beginning(ref, Work.TICK, LEASE)))


def test_what_several_canaries_ask_of_redis_is_one_round_trip(crew: Crew, store: Counted) -> None:
    """At each step, and each has its own answer."""
    begun: dict[CanaryRef, Begun | None] = {}

    def work(ref: CanaryRef) -> Steps[None]:
        begun[ref] = yield from begin(ref)
        lease = begun[ref]
        assert lease is not None
        yield from ask(rollouts.finishing(ref, Work.TICK, lease.token))

    crew.carry_out({ref: work(ref) for ref in REFS})
    assert store.trips == [3, 3]
    assert len({lease.token for lease in begun.values() if lease}) == 3


def test_the_webhooks_of_several_canaries_are_called_by_one_message(crew: Crew) -> None:
    """One for those of a rank, the most urgent first; sent before anything slow is waited for."""
    sent, seen = crew.dispatcher, list[int]()
    assert isinstance(sent, Sent)

    def work(ref: CanaryRef) -> Steps[None]:
        yield CallHook(7, "gate", Rank.STEP)
        yield CallHook(7, "load", Rank.STEP if ref == REFS[0] else Rank.CHECK)
        yield from awaited(lambda: seen.append(len(sent.messages)))

    crew.carry_out({ref: work(ref) for ref in REFS})
    first, *others = REFS
    assert sent.messages == [
        ("call", tuple(others)),
        ("call", (first, first, *others)),
    ]
    assert sent.ranks == [Rank.CHECK, Rank.STEP]
    assert seen == [2, 2, 2]


def test_a_canary_whose_call_is_slow_keeps_nobody_waiting(crew: Crew, store: Counted) -> None:
    """The others are done while it still waits; it is finished apart."""
    slow = REFS[0]
    others_done = threading.Barrier(3)
    ended: list[CanaryRef] = []

    def call(ref: CanaryRef) -> CanaryRef:
        if ref == slow:
            others_done.wait(patience.SECONDS)
        return ref

    def work(ref: CanaryRef) -> Steps[None]:
        assert (yield from awaited(lambda: call(ref))) == ref
        yield from begin(ref)
        ended.append(ref)
        if ref != slow:
            threading.Thread(target=others_done.wait, args=(patience.SECONDS,)).start()

    crew.carry_out({ref: work(ref) for ref in REFS})
    assert ended[-1] == slow
    assert set(ended) == set(REFS)
    assert sum(store.trips) == 3


class Waves(Meters):
    """A reader that has the results of the first canary later than those of the others."""

    def measure_each(
        self, asked: Mapping[CanaryRef, Sequence[Check]]
    ) -> Iterator[dict[CanaryRef, tuple[CheckResult, ...]]]:
        """Two waves."""
        first, *others = asked
        yield dict.fromkeys(others, ())
        yield {first: ()}


def test_what_came_of_each_canary_is_given_back(store: Counted) -> None:
    """For whoever watches jobs; of a failure as much as may be shown to anybody."""
    ended: tuple[str | Exception, ...] = (
        "Advanced, 80/20",
        errors.Permanent("no right to"),
        ValueError("password"),
    )

    def work(end: str | Exception) -> Steps[str]:
        yield from awaited(lambda: None)
        if isinstance(end, Exception):
            raise end
        return end

    works = {ref: work(end) for ref, end in zip(REFS, ended, strict=True)}
    came = Crew(store, Meters(), Sent()).carry_out(works)
    assert came == dict(
        zip(
            map(str, REFS),
            ("Advanced, 80/20", "failed: no right to", "a defect, ValueError: see the log"),
            strict=True,
        )
    )


def test_what_is_measured_is_asked_for_together(store: Counted) -> None:
    """Each canary goes on when it has its own results."""
    crew, order = Crew(store, Waves(), Sent()), list[CanaryRef]()

    def work(ref: CanaryRef) -> Steps[None]:
        assert (yield Measure([])) == ()
        order.append(ref)

    crew.carry_out({ref: work(ref) for ref in REFS})
    assert order == [*REFS[1:], REFS[0]]


def test_nudges_of_a_lane_are_one_message_and_weights_come_first(store: Counted) -> None:
    """Whoever asks at the same step travels together."""
    sent = Sent()

    def work(lanes: Sequence[Lane]) -> Steps[None]:
        for lane in lanes:
            yield Nudge(lane, Rank.CHECK)

    first, second, third = REFS
    works = {first: [Lane.STATUS, Lane.ROUTE], second: [Lane.ROUTE], third: []}
    Crew(store, Meters(), sent).carry_out({ref: work(lanes) for ref, lanes in works.items()})
    assert sent.messages == [("route", (first, second)), ("status", (first,))]


def test_nudges_of_different_ranks_travel_apart_the_most_urgent_first(store: Counted) -> None:
    """A rollback does not wait in the job of its neighbours' next steps."""
    sent = Sent()

    def work(rank: Rank) -> Steps[None]:
        yield Nudge(Lane.ROUTE, rank)
        yield Nudge(Lane.STATUS, rank)

    first, second, third = REFS
    works = {first: work(Rank.CHECK), second: work(Rank.ROLLBACK), third: work(Rank.CHECK)}
    Crew(store, Meters(), sent).carry_out(works)
    assert sent.messages == [
        ("route", (second,)),
        ("status", (second,)),
        ("route", (first, third)),
        ("status", (first, third)),
    ]
    assert sent.ranks == [Rank.ROLLBACK] * 2 + [Rank.CHECK] * 2


def test_statuses_of_writes_that_end_one_by_one_are_one_message(
    store: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write is a call of its own, and the next one begins when a thread is free."""
    monkeypatch.setattr(batch, "PATIENCE_SECONDS", patience.SECONDS)  # a busy machine is not "slow"
    sent, ended = Sent(), [threading.Event() for _ in REFS]

    def work(number: int) -> Steps[None]:
        def call() -> None:
            assert number == 0 or ended[number - 1].wait(patience.SECONDS)
            threading.Event().wait(0.02)

        yield from awaited(call)
        ended[number].set()
        yield Nudge(Lane.STATUS, Rank.CHECK)

    Crew(store, Meters(), sent).carry_out({ref: work(n) for n, ref in enumerate(REFS)})
    assert sent.messages == [("status", REFS)]


def test_a_write_that_hangs_does_not_keep_the_others_from_being_shown(store: Counted) -> None:
    """Their statuses are asked for when nothing has come for a while."""
    first, *others = REFS
    sent, shown = Sent(), threading.Event()

    @dataclass
    class Seen(Sent):
        def reconcile(
            self,
            refs: Sequence[CanaryRef],
            lane: Lane,
            rank: Rank,
            *,
            if_due: bool = False,
        ) -> None:
            sent.reconcile(refs, lane, rank, if_due=if_due)
            if {ref for _, refs in sent.messages for ref in refs} >= set(others):
                shown.set()

    def work(ref: CanaryRef) -> Steps[None]:
        yield from awaited(lambda: ref != first or shown.wait(patience.SECONDS))
        yield Nudge(Lane.STATUS, Rank.CHECK)

    Crew(store, Meters(), Seen()).carry_out({ref: work(ref) for ref in REFS})
    *before, last = sent.messages
    assert sorted(ref for _, refs in before for ref in refs) == sorted(others)
    assert last == ("status", (first,))


@pytest.mark.parametrize("failure", [ZeroDivisionError(), errors.Conflict("moved")])
def test_what_fails_for_one_fails_for_it_alone(
    crew: Crew, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with the name of its canary; alone in its job, it is the job's failure."""
    ended: list[CanaryRef] = []

    def work(ref: CanaryRef) -> Steps[None]:
        yield from begin(ref)
        if ref == REFS[1]:
            raise failure
        yield from begin(ref)
        ended.append(ref)

    with caplog.at_level(logging.WARNING):
        crew.carry_out({ref: work(ref) for ref in REFS})
    assert ended == [REFS[0], REFS[2]]
    (record,) = caplog.records
    assert (record.canary, record.kind) == ("till.shop", type(failure).__name__)  # type: ignore[attr-defined]
    with pytest.raises(type(failure)):
        crew.carry_out({REFS[1]: work(REFS[1])})


def test_a_document_that_cannot_be_used_fails_for_its_canary_alone(
    crew: Crew, store: Counted
) -> None:
    """One key of another type in the middle of a round trip."""
    store.client.set(f"coalmine:{{{REFS[1]}}}:state", "odd")
    begun: dict[CanaryRef, Any] = {}

    def work(ref: CanaryRef) -> Steps[None]:
        begun[ref] = yield from begin(ref)

    crew.carry_out({ref: work(ref) for ref in REFS})
    assert set(begun) == {REFS[0], REFS[2]}


def test_a_reply_that_is_misread_is_a_defect_of_its_canary_alone(crew: Crew) -> None:
    """Whatever decoding it raises."""
    ended: list[CanaryRef] = []

    def work(ref: CanaryRef) -> Steps[None]:
        asked: Invocation[Any] = rollouts.reading(ref)
        yield from ask(replace(asked, decode=int) if ref == REFS[1] else asked)
        ended.append(ref)

    crew.carry_out({ref: work(ref) for ref in REFS})
    assert ended == [REFS[0], REFS[2]]


def test_a_text_that_no_encoding_knows_keeps_no_decision_from_being_stored(crew: Crew) -> None:
    """Half a surrogate pair, as JSON of a metrics server can have it, in one of the decisions."""
    messages = dict(zip(REFS, ("good", "\ud800 is odd", "fine"), strict=True))

    def work(ref: CanaryRef) -> Steps[None]:
        begun = yield from begin(ref)
        assert begun is not None
        state = {"uid": "1", "message": messages[ref]}
        commit = Commit(expected=0, state=state, token=begun.token)
        yield from ask(rollouts.committing(ref, commit))

    crew.carry_out({ref: work(ref) for ref in REFS})
    stored = [(crew.store.read(ref).state or {}).get("message") for ref in REFS]
    assert stored == ["good", "? is odd", "fine"]


def test_a_nudge_that_cannot_be_sent_ends_no_other_work(store: Counted) -> None:
    """Whatever the queue's library raises: the agenda asks again."""
    ended: list[CanaryRef] = []

    class Broken(Sent):
        def reconcile(
            self,
            refs: Sequence[CanaryRef],
            lane: Lane,
            rank: Rank,
            *,
            if_due: bool = False,
        ) -> None:
            raise AttributeError(f"{refs} {lane} {rank} {if_due}")

    def work(ref: CanaryRef) -> Steps[None]:
        if ref == REFS[1]:
            yield Nudge(Lane.ROUTE, Rank.CHECK)
        yield from begin(ref)
        ended.append(ref)

    Crew(store, Meters(), Broken()).carry_out({ref: work(ref) for ref in REFS})
    assert set(ended) == set(REFS)


def test_a_defect_in_measuring_one_leaves_the_others_their_results(store: Counted) -> None:
    """Those that had none yet are measured alone."""
    odd, measured, failed = REFS[1], list[CanaryRef](), list[CanaryRef]()

    class Odd(Meters):
        def measure_each(
            self, asked: Mapping[CanaryRef, Sequence[Check]]
        ) -> Iterator[dict[CanaryRef, tuple[CheckResult, ...]]]:
            if odd in asked:
                raise TypeError("odd")
            yield dict.fromkeys(asked, ())

    def work(ref: CanaryRef) -> Steps[None]:
        try:
            yield Measure([])
        except TypeError:
            failed.append(ref)
        else:
            measured.append(ref)

    Crew(store, Odd(), Sent()).carry_out({ref: work(ref) for ref in REFS})
    assert set(measured) == {REFS[0], REFS[2]}
    assert failed == [odd]


def test_a_server_that_is_away_is_everybodys_failure(crew: Crew, store: Counted) -> None:
    """Each hears of it where it asked, and may still clean up."""
    heard: list[CanaryRef] = []

    def work(ref: CanaryRef) -> Steps[None]:
        try:
            yield from begin(ref)
        finally:
            heard.append(ref)

    store.failing.append(errors.Transient("away"))
    crew.carry_out({ref: work(ref) for ref in REFS})
    assert heard == list(REFS)
    assert store.trips == [3]


def test_a_batch_whose_calls_all_hang_keeps_no_other_batch_waiting(crew: Crew) -> None:
    """A rollback of two, while a namespace of many writes into a webhook that does not answer."""
    over, hanging = threading.Event(), threading.Semaphore(0)
    ended: list[CanaryRef] = []

    def hang() -> None:
        hanging.release()
        over.wait(2 * patience.SECONDS)

    def stuck() -> Steps[None]:
        yield from awaited(hang)

    def urgent(ref: CanaryRef) -> Steps[None]:
        yield from awaited(lambda: None)
        yield Measure([])
        ended.append(ref)

    crowd = [CanaryRef("slow", f"each-{number}") for number in range(2 * THREADS)]
    slow = threading.Thread(target=crew.carry_out, args=({ref: stuck() for ref in crowd},))
    slow.start()
    for _ in range(THREADS):
        assert hanging.acquire(timeout=patience.SECONDS)
    quick = threading.Thread(target=crew.carry_out, args=({ref: urgent(ref) for ref in REFS[:2]},))
    quick.start()
    quick.join(patience.SECONDS)
    is_done, more = set(ended) == set(REFS[:2]), hanging.acquire(timeout=0.05)
    over.set()
    for thread in (slow, quick):
        thread.join()
    assert is_done
    assert not more, f"more than {THREADS} calls of one batch are under way"
