"""What several canaries have for one address at a time is one request, and a refusal harms none."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from clients import errors
from clients.http.client import Response
from notify.message import Post
from tasks.bulk import MOST, Bulk
from tests import patience

TAKEN = Response(200, "ok")
URL = "http://am/api/v2/alerts"


@dataclass
class Server:
    """Takes lists, each when it is let; refuses one that has something bad in it."""

    free: threading.Event = field(default_factory=threading.Event)
    asked: list[list[str]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    away: bool = False

    def __call__(self, post: Post, proxy: str) -> Response:  # noqa: ARG002
        """The answer."""
        self.asked.append(list(post.body))
        assert self.free.wait(patience.SECONDS)
        if self.away:
            raise errors.Transient("away")
        if "bad" in post.body:
            return Response(400, "bad label")
        self.taken.update(post.body)
        return TAKEN


@pytest.fixture
def server() -> Server:
    """One that takes nothing before it is let."""
    return Server()


def together(server: Server, lists: Sequence[list[str]]) -> list[Future[Response]]:
    """Posts of which all but the first come while that is under way; then all are answered."""
    bulk, threads = Bulk(server), ThreadPoolExecutor(len(lists))
    told = [threads.submit(bulk, Post(URL, lists[0]), "")]
    patience.until(lambda: bool(server.asked))
    for count, items in enumerate(lists[1:], 2):
        told.append(threads.submit(bulk, Post(URL, items), ""))
        patience.until(lambda: bulk._lines[URL, "", ""].users == count)  # noqa: B023
    server.free.set()
    threads.shutdown()
    assert not bulk._lines
    return told


def test_what_comes_while_a_request_is_under_way_is_the_next_one(server: Server) -> None:
    """Twenty canaries: two requests."""
    lists = [[str(number)] for number in range(20)]
    told = together(server, lists)
    assert [each.result() for each in told] == [TAKEN] * 20
    assert sorted(map(len, server.asked)) == [1, 19]
    assert server.taken == {str(number) for number in range(20)}


def test_a_request_has_a_bound(server: Server) -> None:
    """The next has the rest."""
    half = MOST // 2 + 1
    lists = [["a"], *([f"{name}{number}" for number in range(half)] for name in "bcd")]
    together(server, lists)
    assert max(map(len, server.asked)) <= MOST
    assert server.taken == {item for items in lists for item in items}


def test_one_that_is_refused_loses_no_other(server: Server) -> None:
    """Each is posted by itself then, and only the bad one is refused; that is not asked again."""
    told = together(server, [["a"], ["b"], ["bad"], ["c"]])
    assert [each.result().status for each in told] == [200, 200, 400, 200]
    assert server.taken == {"a", "b", "c"}
    server.asked.clear()
    assert Bulk(server)(Post(URL, ["bad"]), "").status == 400
    assert server.asked == [["bad"]]


def test_all_hear_of_a_server_that_is_away(server: Server) -> None:
    """Once for all of them."""
    server.away = True
    told = together(server, [["a"], ["b"], ["c"]])
    assert [type(each.exception()) for each in told] == [errors.Transient] * 3
    assert len(server.asked) == 2


def test_messages_and_other_ways_to_an_address_are_not_joined(server: Server) -> None:
    """Nobody waits for a request that is under way with another token or through another proxy."""
    bulk, threads = Bulk(server), ThreadPoolExecutor()
    posts = [
        (Post(URL, ["a"]), ""),
        (Post(URL, ["b"], "token"), ""),
        (Post(URL, ["c"]), "proxy"),
        (Post(URL, {"text": "d"}), ""),
    ]
    told = [threads.submit(bulk, *each) for each in posts]
    patience.until(lambda: len(server.asked) == len(posts))
    server.free.set()
    threads.shutdown()
    assert [each.result() for each in told] == [TAKEN] * 4
    assert sorted(server.asked) == [["a"], ["b"], ["c"], ["text"]]
