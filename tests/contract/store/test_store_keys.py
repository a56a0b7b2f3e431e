"""What the store writes is what the key table says, and costs what it should.

Aspects: type and lifetime of every key after every operation; round trips.
"""

from datetime import timedelta

import pytest
from redis import Redis
from redis.client import Pipeline

from clients.documents.calls import HookResult
from clients.documents.confirmed import Confirmation, Lane
from clients.documents.tally import Counted
from clients.documents.world import World
from clients.redis import keys
from clients.redis.records import Basis, Commit, Work
from config.api.hooks import WebhookType
from config.refs import CanaryRef
from tests.stores import DirectStore
from tests.unit.notify.notices import a_notice

AT_ONCE = {"canary": timedelta(0)}

REF = CanaryRef("shop", "cart")
ROWS = {row.of(REF): row for row in keys.TABLE}
TTL = timedelta(seconds=30)


def test_every_key_written_is_in_the_table_with_its_type_and_lifetime(
    live_store: DirectStore, client: "Redis[str]"
) -> None:
    """Each operation is called, and the key space compared with the table after each."""
    written: set[keys.Row] = set()

    def compare() -> None:
        for key in client.scan_iter():
            row = ROWS[key]
            assert client.execute_command("TYPE", key) == row.type, key
            expires = client.pttl(key) > 0
            assert expires == (row.lifetime is keys.Lifetime.EXPIRES), key
            written.add(row)

    store = live_store
    term = store.acquire("a", TTL)
    assert term is not None
    client.delete(keys.EPOCH.pattern)
    epoch = store.open_epoch(term)
    compare()
    assert store.confirm_epoch(term, epoch)
    compare()
    store.acquire("a", TTL)
    compare()
    store.put_world(REF, World(canary={"spec": {}}), wake=AT_ONCE)
    compare()
    store.claim(10, TTL)
    store.keep_time(timedelta(0))
    compare()
    for work in Work:
        begun = store.begin(REF, work, TTL)
        compare()
        store.begin(REF, work, TTL)
        store.poke(REF)
        store.claim(10, TTL)
        compare()
        assert begun is not None
        if work is not Work.TICK:
            store.finish(REF, work, begun.token, store.now())
    commit = Commit(
        expected=0,
        state={"uid": "u1"},
        timeline={"n": 1},
        notices=[a_notice()],
        due=store.now(),
        counted=Counted(seconds=0.1),
    )
    assert store.commit(REF, commit) == 1
    compare()
    news = Confirmation(lane=Lane.ROUTE, seq=1)
    assert store.confirm(REF, news, Basis(uid="u1"), wake=True)
    compare()
    for work in Work:
        store.begin(REF, work, TTL)
    call = store.take_call(REF, 1, "a", TTL)
    compare()
    assert call is not None
    store.answer_call(call, HookResult("a", WebhookType.ROLLOUT, ok=True))
    compare()
    # See test_store_answers.py, test_store_gates.py, test_store_paces.py and test_store_firing.py.
    elsewhere = {keys.QUERY, keys.GATES, keys.PACE, keys.TURNS, keys.FIRING}
    assert written == set(keys.TABLE) - elsewhere

    store.release("a")
    store.forget(REF)
    compare()
    assert {ROWS[key] for key in client.scan_iter()} == {keys.FENCE, keys.EPOCH, keys.LEAPS}


def test_asking_for_another_run_does_not_prolong_a_lease(
    live_store: DirectStore, client: "Redis[str]"
) -> None:
    """A dead worker's lease ends when it would have, however often others are refused."""
    live_store.begin(REF, Work.TICK, TTL)
    client.pexpire(keys.TICK.of(REF), 10_000)
    live_store.begin(REF, Work.TICK, TTL)
    live_store.poke(REF)
    assert 0 < client.pttl(keys.TICK.of(REF)) <= 10_000


def test_begin_and_commit_are_one_round_trip_each(
    live_store: DirectStore, client: "Redis[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick costs the network two answers, however much it reads and writes."""
    live_store.put_world(REF, World(canary={"spec": {}}, routes={"x": {}}))
    live_store.begin(REF, Work.TICK, TTL)  # the scripts are loaded now
    live_store.commit(REF, Commit(expected=0, state={}))
    live_store.forget(REF)

    trips: list[list[object]] = []
    kind = type(client.pipeline(transaction=False))
    execute = kind.execute

    def counted(pipeline: "Pipeline[str]", **options: bool) -> list[object]:
        trips.append([command[0][0] for command in pipeline.command_stack])
        return execute(pipeline, **options)

    monkeypatch.setattr(kind, "execute", counted)
    monkeypatch.setattr(client, "execute_command", None)
    begun = live_store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    live_store.commit(
        REF,
        Commit(
            expected=0,
            state={"uid": "u1"},
            timeline={"n": 1},
            notices=[a_notice("1"), a_notice("2")],
            due=begun.snapshot.now,
            token=begun.token,
        ),
    )
    assert trips == [["EVALSHA"], ["EVALSHA"]]
