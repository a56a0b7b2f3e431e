"""The calls of webhooks: one worker at a time, one answer per round, on every server.

Left out: what is called and when (`tests/unit/analysis/hooks`), and the calling (`test_caller`).
"""

from datetime import timedelta
from typing import Final

import pytest

from clients.clock import ManualClock
from clients.documents import calls as documents
from clients.documents.calls import HookCalls, HookResult
from clients.redis.records import Call, Commit, Kept, Work
from clients.redis.rollouts import MESSAGE_WAITS
from config.api.hooks import WebhookType
from config.refs import CanaryRef
from tests.stores import DirectStore, given_out

REF: Final = CanaryRef("shop", "cart")
TTL: Final = timedelta(seconds=8)
YES: Final = HookResult("load", WebhookType.ROLLOUT, ok=True)
NO: Final = HookResult("load", WebhookType.ROLLOUT, ok=False, message='{no} "round" 7 …')


def decided(store: DirectStore, times: int = 1) -> int:
    """The version after so many decisions."""
    for _ in range(times):
        expected = store.read(REF).version
        store.commit(REF, Commit(expected=expected, state={"uid": "u1"}))
    return store.read(REF).version


def taken(store: DirectStore, round_id: int, key: str = "a") -> Call:
    """The call, which is free."""
    call = store.take_call(REF, round_id, key, TTL)
    assert call is not None
    return call


def test_a_call_belongs_to_whoever_took_it_until_its_lease_ends(
    store: DirectStore, clock: ManualClock
) -> None:
    """And the other calls of the round to anybody."""
    decided(store)
    first = taken(store, 1)
    assert store.take_call(REF, 1, "a", TTL) is None
    other = taken(store, 1, "b")
    clock.advance(TTL / 2)
    assert store.renew_call(first, TTL)
    clock.advance(TTL / 2)
    assert store.take_call(REF, 1, "a", TTL) is None
    assert taken(store, 1, "b") != other
    clock.advance(TTL / 2)
    second = taken(store, 1)
    assert not store.renew_call(first, TTL)
    assert not store.answer_call(first, YES)
    assert store.calls(REF, 1).taken["a"] == clock.now() + TTL
    assert store.renew_call(second, TTL)


def test_an_answer_is_kept_once_and_ends_the_call(store: DirectStore) -> None:
    """Nobody calls the hook again, or answers for it."""
    decided(store)
    call = taken(store, 1)
    assert store.answer_call(call, YES)
    assert not store.answer_call(call, NO)
    assert not store.renew_call(call, TTL)
    assert store.take_call(REF, 1, "a", TTL) is None
    assert store.calls(REF, 1) == HookCalls({"a": YES})


def test_after_an_answer_the_canary_may_be_looked_at_and_no_beat_asks_for_it_as_well(
    store: DirectStore, clock: ManualClock
) -> None:
    """The caller sends the message; a beat does when that counts as lost."""
    decided(store)
    call = taken(store, 1)
    assert store.agenda() == {}
    store.answer_call(call, YES)
    assert given_out(store.claim(100, TTL)) == ()
    clock.advance(MESSAGE_WAITS - timedelta(milliseconds=1))
    assert given_out(store.claim(100, TTL)) == ()
    begun = store.begin(REF, Work.TICK, TTL, if_due=True)
    assert begun is not None
    store.finish(REF, Work.TICK, begun.token, clock.now() + TTL)
    clock.advance(timedelta(seconds=1))
    assert store.begin(REF, Work.TICK, TTL, if_due=True) is None
    assert given_out(store.claim(100, TTL)) == ()


def test_a_canary_whose_answer_nobody_looked_at_is_due_soon(
    store: DirectStore, clock: ManualClock
) -> None:
    """Whoever heard it has died, or the queue was away."""
    decided(store)
    store.answer_call(taken(store, 1), YES)
    clock.advance(MESSAGE_WAITS)
    assert given_out(store.claim(100, TTL)) == (REF,)


def test_an_answer_that_comes_while_the_canary_is_looked_at_asks_for_another_look(
    store: DirectStore,
) -> None:
    """That may have seen the answer, or not."""
    decided(store)
    call = taken(store, 1)
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    store.answer_call(call, YES)
    assert store.finish(REF, Work.TICK, begun.token, None)
    assert given_out(store.claim(100, TTL)) == (REF,)


@pytest.mark.parametrize("newer_has", ["been taken", "answered"])
def test_an_older_round_changes_nothing_of_a_newer_one(store: DirectStore, newer_has: str) -> None:
    """Neither its calls, nor its answers, however late they come."""
    decided(store)
    old = taken(store, 1)
    assert decided(store) == 2
    new = taken(store, 2)
    if newer_has == "answered":
        assert store.answer_call(new, NO)
    known = store.calls(REF, 2)

    assert not store.answer_call(old, YES)
    assert not store.renew_call(old, TTL)
    assert store.take_call(REF, 1, "b", TTL) is None
    assert store.calls(REF, 2) == known
    assert store.calls(REF, 1) == HookCalls()


def test_a_call_needs_a_state_that_can_have_asked_for_it(store: DirectStore) -> None:
    """After a loss, or for a canary made anew, a message of the life before calls nobody."""
    assert store.take_call(REF, 1, "a", TTL) is None
    version = decided(store, 3)
    assert store.take_call(REF, version + 1, "a", TTL) is None
    call = taken(store, version)
    store.forget(REF)
    assert not store.renew_call(call, TTL)
    assert not store.answer_call(call, YES)
    assert store.calls(REF, version) == HookCalls()
    assert store.agenda() == {}


def test_a_canary_is_due_when_all_calls_of_its_round_have_answered(
    store: DirectStore, clock: ManualClock
) -> None:
    """Whichever is the last; one that another makes has not answered."""
    decided(store)
    first, second, third = (taken(store, 1, key) for key in "abc")
    others = {"a": "bc", "b": "ac", "c": "ab"}
    assert store.answer_call(first, YES, others["a"]) is Kept.ONE_OF_MANY
    assert store.answer_call(third, NO, others["c"]) is Kept.ONE_OF_MANY
    assert REF not in store.agenda()
    assert store.answer_call(second, YES, others["b"]) is Kept.LAST
    assert store.agenda()[REF] == clock.now() + MESSAGE_WAITS
    assert store.answer_call(second, YES, others["b"]) is Kept.NO


def test_a_tick_begins_with_the_calls_of_its_round(store: DirectStore) -> None:
    """Those made and those answered, in the same round trip; other work does not need them."""
    decided(store)
    store.answer_call(taken(store, 1, "a"), YES)
    taken(store, 1, "b")
    begun = {work: store.begin(REF, work, TTL) for work in (Work.TICK, Work.STATUS)}
    tick, status = begun[Work.TICK], begun[Work.STATUS]
    assert tick is not None
    assert status is not None
    assert documents.decode(tick.calls, 1) == store.calls(REF, 1)
    assert store.calls(REF, 1).answers == {"a": YES}
    assert status.calls == {}
