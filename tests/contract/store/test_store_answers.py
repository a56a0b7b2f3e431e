"""The claims and answers of metric queries, over a Redis in memory and real ones."""

import contextlib
from datetime import timedelta
from typing import Final

import pytest

from clients import errors
from clients.redis import keys, server
from clients.redis.answers import RedisAnswers
from tests.contract.store.conftest import Connect
from tests.patience import until

HOLD: Final = timedelta(seconds=60)
FRESH: Final = timedelta(seconds=30)


def test_what_one_claims_another_waits_for(connect: Connect) -> None:
    """Until it is told; each name for itself."""
    one = RedisAnswers(connect())
    assert one.claim(["a", "b"], HOLD) == {}
    assert one.claim(["b", "c"], HOLD) == {"b": None}
    one.tell({"b": "1.5"}, FRESH)
    assert one.claim(["a", "b", "c"], HOLD) == {"a": None, "b": "1.5", "c": None}


def test_what_is_left_to_others_is_theirs_to_claim(connect: Connect) -> None:
    """An error is no answer."""
    one = RedisAnswers(connect())
    one.claim(["a", "b"], HOLD)
    one.tell({"a": None, "b": "2"}, FRESH)
    assert one.claim(["a", "b"], HOLD) == {"b": "2"}
    assert one.claim(["a"], HOLD) == {"a": None}


def test_claims_and_answers_expire(connect: Connect) -> None:
    """A dead process holds nothing for ever, and no answer is old."""
    client = connect()
    one = RedisAnswers(client)
    brief = timedelta(seconds=1.5)
    one.claim(["a", "b"], brief)
    one.tell({"b": "1"}, brief)
    types = {client.execute_command("TYPE", keys.QUERY.named(name)) for name in "ab"}
    assert types == {keys.QUERY.type}
    assert all(0 < client.pttl(keys.QUERY.named(name)) <= 1500 for name in "ab")
    until(lambda: not client.keys())
    assert one.claim(["a", "b"], HOLD) == {}


@pytest.mark.parametrize("told", [{"a": "1"}, {}], ids=["an answer", "a claim"])
def test_what_outlives_a_claim_is_of_a_clock_that_was_ahead(
    connect: Connect, told: dict[str, str | None]
) -> None:
    """Redis' clock was set back: nobody is given an answer, or kept waiting, for the whole leap."""
    client = connect()
    one = RedisAnswers(client)
    one.claim(["a"], HOLD)
    one.tell(told, FRESH)
    client.pexpire(keys.QUERY.named("a"), HOLD + timedelta(hours=1))
    assert one.claim(["a"], HOLD) == {}
    one.tell({"a": "2"}, FRESH)
    assert one.claim(["a"], HOLD) == {"a": "2"}


def test_no_names_are_no_claims(connect: Connect) -> None:
    """Nothing is sent."""
    assert RedisAnswers(connect()).claim([], HOLD) == {}


def test_a_server_that_is_away_is_transient() -> None:
    """As for everything else that is kept there."""
    with contextlib.closing(server.connect("redis://127.0.0.1:1/0")) as client:
        nobody = RedisAnswers(client)
        with pytest.raises(errors.Transient):
            nobody.claim(["a"], HOLD)
        with pytest.raises(errors.Transient):
            nobody.tell({"a": "1"}, FRESH)
