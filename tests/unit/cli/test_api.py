"""What a process tells of canaries over HTTP: read, bounded, and nothing else."""

import http.client
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from analysis import state as states
from analysis.state import HookRound
from cli import api, endpoint
from cli.endpoint import Table
from clients.redis import rollouts
from clients.redis.records import Commit
from clients.redis.store import Store
from config.api.hooks import WebhookType
from config.refs import CanaryRef
from tests.consoles import NOW
from tests.fakes import memory_redis
from tests.unit.analysis import worlds

REF = CanaryRef("shop", "podinfo")
STATE = states.to_json(
    worlds.progressing(
        10,
        check_at=NOW + timedelta(seconds=30),
        round=HookRound(7, WebhookType.CONFIRM_PROMOTION, NOW),
    )
)


@pytest.fixture
def redis() -> "Redis[str]":
    """A server in memory."""
    return memory_redis.connect()


@pytest.fixture
def table(redis: "Redis[str]") -> Table:
    """What a process answers of what is in it."""
    return Table(api.routes(Store(redis)))


def ask(table: Table, path: str) -> tuple[int, Any]:
    """Status and body."""
    answer = table.answer(path)
    return answer.status, json.loads(answer.body)


def commit(redis: "Redis[str]", count: int, state: Mapping[str, Any] = STATE) -> None:
    """Commits `count` decisions, the next look 8 s after the last."""
    store = Store(redis)
    for version in range(count):
        due = NOW + timedelta(seconds=8)
        entry = {"reason": f"Reason{version}", "split": "90/10"}
        told = Commit(expected=version, state=state, timeline=entry, due=due)
        assert store.run(rollouts.committing(REF, told)) is not None


def test_the_newest_decisions_are_told_oldest_first_with_what_comes_next(
    redis: "Redis[str]", table: Table
) -> None:
    """Times are Redis's own; the webhooks that are being called are named by their type."""
    memory_redis.confirm(Store(redis))
    commit(redis, 3)
    status, told = ask(table, "/api/v1/canaries/shop/podinfo/timeline?limit=2")
    assert status == 200
    assert told.pop("now") > "2026"
    assert told == {
        "canary": "shop/podinfo",
        "nextLook": "2026-03-01T12:00:08+00:00",
        "nextCheck": "2026-03-01T12:00:30+00:00",
        "asking": "confirm-promotion",
        "entries": [
            {"reason": "Reason1", "split": "90/10"},
            {"reason": "Reason2", "split": "90/10"},
        ],
    }


def test_a_state_that_cannot_be_read_hides_no_decisions(redis: "Redis[str]", table: Table) -> None:
    """Of another version, or defective: it is rebuilt, and what it planned is not told."""
    memory_redis.confirm(Store(redis))
    commit(redis, 1, {"uid": "u", "check_at": "2026-03-01T12:00:30Z", "round": "odd"})
    status, told = ask(table, "/api/v1/canaries/shop/podinfo/timeline")
    assert (status, told["nextCheck"], told["asking"]) == (200, None, None)
    assert told["entries"] == [{"reason": "Reason0", "split": "90/10"}]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/canaries/shop/other/timeline", 404),
        ("/api/v1/canaries/shop/podinfo", 404),
        ("/api/v1/canaries/shop/podinfo/timeline?limit=0", 400),
        ("/api/v1/canaries/shop/podinfo/timeline?limit=-1", 400),
        ("/api/v1/canaries/shop/podinfo/timeline?limit=many", 400),
        ("/api/v1/canaries/shop/podinfo/timeline?limit=9999999999", 400),
        ("/api/v1/canaries/%00%7D/%2F..%2F/timeline", 404),
    ],
)
def test_what_is_not_known_or_no_number_is_refused(table: Table, path: str, status: int) -> None:
    """With a JSON object that says why."""
    got, body = ask(table, path)
    assert got == status
    assert body


def test_an_answer_is_bounded_whatever_is_asked_for(redis: "Redis[str]", table: Table) -> None:
    """200 decisions at most; about so many are kept."""
    memory_redis.confirm(Store(redis))
    commit(redis, 230)
    _, told = ask(table, "/api/v1/canaries/shop/podinfo/timeline?limit=99999")
    assert len(told["entries"]) == 200


def test_nothing_can_be_written(redis: "Redis[str]") -> None:
    """Only GET is answered."""
    with endpoint.served(0, api.routes(Store(redis))) as port:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request(method, "/api/v1/canaries/shop/podinfo/timeline")
            assert connection.getresponse().status == 501
            connection.close()
