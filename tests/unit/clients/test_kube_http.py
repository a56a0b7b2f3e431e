"""The door to a real API server, against a local server that answers as scripted.

Tested: the requests that go out, what every kind of bad answer becomes, what is tried again and
for how long, watch streams that end badly, closing. What a good server does is the contract suite.
"""

import contextlib
import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from kubernetes.config import incluster_config

from clients import errors, instruments
from clients.clock import ManualClock, SystemClock
from clients.kube import connect, resources
from clients.kube.protocol import PatchKind, WatchType
from clients.kube.rest import KubeHttp
from clients.kube.transport import Limits
from tests.fakes.notes import Notes
from tests.unit.clients import scripted
from tests.unit.clients.scripted import Script, hang, reply, reset, stream

PATIENT: Final = Limits(
    connect=timedelta(seconds=10), read=timedelta(seconds=10), silence=timedelta(seconds=10)
)
QUICK: Final = Limits(
    connect=timedelta(seconds=1), read=timedelta(seconds=0.5), silence=timedelta(seconds=0.3)
)
"""For servers that do not answer."""
LONG_SECONDS: Final = 10
"""Far less than such a server takes, and more than a busy machine does."""
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
VIRTUAL_SERVICES_PATH: Final = "/apis/networking.istio.io/v1beta1/namespaces/prod/virtualservices"
SHOP: Final = {"metadata": {"name": "shop", "resourceVersion": "7"}}


@pytest.fixture
def script() -> Iterator[Script]:
    """The server's script."""
    with scripted.serving() as served:
        yield served


@pytest.fixture
def clock() -> ManualClock:
    """Time that passes only by waiting for another attempt."""
    return ManualClock(START)


@pytest.fixture
def door(script: Script, clock: ManualClock) -> Iterator[KubeHttp]:
    """The door to the scripted server, not trying again more than twice."""
    connected = connect.connect(role="routing", url=script.url, limits=PATIENT, clock=clock)
    yield connected
    connected.close()


@pytest.fixture
def quick_door(script: Script, clock: ManualClock) -> Iterator[KubeHttp]:
    """The same, which does not wait for long."""
    connected = connect.connect(role="routing", url=script.url, limits=QUICK, clock=clock)
    yield connected
    connected.close()


def status(code: int, reason: str, message: str = "words", **details: Any) -> scripted.Answer:
    """A refusal as the API server writes it."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }
    return reply(code, json.dumps(body))


def get(door: KubeHttp) -> Any:
    """One read."""
    return door.get(resources.VIRTUAL_SERVICES, "prod", "shop")


def write(door: KubeHttp) -> Any:
    """One write."""
    return door.patch(resources.VIRTUAL_SERVICES, "prod", "shop", {"spec": {}})


def watch(door: KubeHttp) -> list[Any]:
    """One watch to its end."""
    seconds = timedelta(seconds=270)
    return list(door.watch(resources.VIRTUAL_SERVICES, "prod", "7", seconds))


# --- what goes out


def test_every_verb_is_one_request_to_the_right_address(script: Script, door: KubeHttp) -> None:
    """Method, path, query, content type and body are those of the Kubernetes API."""
    script.then(reply(200, json.dumps(SHOP)))
    kind, namespace = resources.VIRTUAL_SERVICES, "prod"
    door.get(kind, namespace, "shop")
    door.create(kind, namespace, SHOP)
    door.replace(kind, namespace, "shop", SHOP)
    door.patch(kind, namespace, "shop", {"a": 1}, subresource="status")
    door.patch(kind, namespace, "shop", [{"op": "remove", "path": "/a"}], kind=PatchKind.JSON)
    door.delete(kind, namespace, "shop")
    sent = [
        (seen.method, seen.path.removeprefix(VIRTUAL_SERVICES_PATH), json.loads(seen.body or "0"))
        for seen in script.seen
    ]
    assert sent == [
        ("GET", "/shop", 0),
        ("POST", "", SHOP),
        ("PUT", "/shop", SHOP),
        ("PATCH", "/shop/status", {"a": 1}),
        ("PATCH", "/shop", [{"op": "remove", "path": "/a"}]),
        ("DELETE", "/shop", 0),
    ]
    assert [seen.headers["Content-Type"] for seen in script.seen[3:5]] == [
        "application/merge-patch+json",
        "application/json-patch+json",
    ]
    assert {seen.headers["User-Agent"] for seen in script.seen} == {"coalmine/routing"}


def test_calls_of_one_thread_share_a_connection(script: Script, door: KubeHttp) -> None:
    """Answers are read to their end, refusals included, so that the connection is used again."""
    ports = []

    def answer(handler: Any) -> None:
        ports.append(handler.client_address[1])
        status(404, "NotFound")(handler) if len(ports) == 2 else reply(200, "{}")(handler)

    script.then(answer)
    get(door)
    with pytest.raises(errors.NotFound):
        get(door)
    get(door)
    assert len(ports) == 3
    assert len(set(ports)) == 1


def test_a_watch_asks_for_bookmarks_and_for_an_end(script: Script, door: KubeHttp) -> None:
    """The server is told where to begin, when to end, and to send bookmarks."""
    script.then(stream())
    assert watch(door) == []
    assert script.seen[0].path == (
        f"{VIRTUAL_SERVICES_PATH}?watch=1&allowWatchBookmarks=true"
        "&resourceVersion=7&timeoutSeconds=270"
    )


def test_a_list_follows_the_pages_of_the_server(script: Script, door: KubeHttp) -> None:
    """Each page is asked for with the token of the one before."""
    page = {"metadata": {"resourceVersion": "9", "continue": "a/b="}, "items": [SHOP]}
    last = {"metadata": {"resourceVersion": "9"}, "items": [SHOP]}
    script.then(reply(200, json.dumps(page)), reply(200, json.dumps(last)))
    listing = door.list(resources.VIRTUAL_SERVICES)
    identity = {"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService"}
    assert listing.items == ({**identity, **SHOP},) * 2
    assert listing.resource_version == "9"
    assert [seen.path.partition("?")[2] for seen in script.seen] == [
        "limit=500",
        "limit=500&continue=a%2Fb%3D",
    ]


def test_a_list_whose_pages_expire_is_read_in_one_go(script: Script, door: KubeHttp) -> None:
    """When the token has become too old, the whole list is asked for without pages."""
    page = {"metadata": {"resourceVersion": "9", "continue": "x"}, "items": [SHOP]}
    whole = {"metadata": {"resourceVersion": "12"}, "items": [SHOP, SHOP]}
    script.then(reply(200, json.dumps(page)), status(410, "Expired"), reply(200, json.dumps(whole)))
    listing = door.list(resources.VIRTUAL_SERVICES)
    assert (len(listing.items), listing.resource_version) == (2, "12")
    assert script.seen[2].path == "/apis/networking.istio.io/v1beta1/virtualservices"


@pytest.mark.parametrize("expires", [False, True])
def test_of_a_list_no_more_is_held_than_is_kept(
    script: Script, door: KubeHttp, *, expires: bool
) -> None:
    """Page by page, and in one go as well."""
    cart, till = ({"metadata": {"name": name, "namespace": "shop"}} for name in ("cart", "till"))
    page = {"metadata": {"resourceVersion": "9", "continue": "x"}, "items": [cart, till]}
    last = {"metadata": {"resourceVersion": "9"}, "items": [till, cart]}
    gone = [status(410, "Expired")] if expires else []
    script.then(reply(200, json.dumps(page)), *gone, reply(200, json.dumps(last)))
    listing = door.list(
        resources.VIRTUAL_SERVICES, keep=lambda raw: raw["metadata"]["name"] == "cart"
    )
    assert [item["metadata"] for item in listing.items] == [cart["metadata"]] * (2 - len(gone))


# --- what comes back


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.Permanent),
        (401, "Unauthorized", errors.Permanent),
        (403, "Forbidden", errors.Permanent),
        (404, "NotFound", errors.NotFound),
        (405, "MethodNotAllowed", errors.Permanent),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Expired),
        (413, "RequestEntityTooLarge", errors.Permanent),
        (415, "UnsupportedMediaType", errors.Permanent),
        (422, "Invalid", errors.Permanent),
        (429, "TooManyRequests", errors.Transient),
        (500, "InternalError", errors.Transient),
        (501, "NotImplemented", errors.Permanent),
        (503, "ServiceUnavailable", errors.Transient),
        (504, "Timeout", errors.Transient),
        (302, "Found", errors.Permanent),
    ],
)
def test_a_refusal_becomes_the_kind_that_says_what_to_do(
    script: Script, door: KubeHttp, code: int, reason: str, kind: type[errors.ClientError]
) -> None:
    """Status and reason decide the kind; both and the server's words are kept."""
    script.then(status(code, reason, "the server's words"))
    with pytest.raises(errors.ClientError) as failure:
        write(door)
    assert type(failure.value) is kind
    assert (failure.value.status, failure.value.reason) == (code, reason)
    path = f"PATCH {VIRTUAL_SERVICES_PATH}/shop"
    assert failure.value.message == f"{path}: {code} the server's words"


def test_the_servers_words_are_cut(script: Script, door: KubeHttp) -> None:
    """A message of any length, and a body that is no Status, leave 256 characters."""
    script.then(status(422, "Invalid", "x" * 10_000), reply(403, "<html>" + "y" * 10_000))
    for letter in "xy":
        with pytest.raises(errors.Permanent) as failure:
            write(door)
        words = failure.value.message.split(": ", 1)[1]
        assert letter in words
        assert len(words) == len("422 ") + errors.MAX_MESSAGE


def test_credentials_are_sent_but_never_told(script: Script, tmp_path: Path) -> None:
    """The kubeconfig's token reaches the server and no error."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": script.url}}],
                "users": [{"name": "u", "user": {"token": "hush-hush"}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    script.then(status(403, "Forbidden"), reset)
    door = connect.connect(role="test", kubeconfig=kubeconfig, limits=replace(PATIENT, retries=0))
    for _ in range(2):
        with pytest.raises(errors.ClientError) as failure:
            get(door)
        assert "hush-hush" not in repr(failure.value) + repr(failure.value.__cause__)
    assert script.seen[0].headers["Authorization"] == "Bearer hush-hush"


def test_a_list_that_is_none_is_transient(script: Script, door: KubeHttp) -> None:
    """An object without a version, where a list should be, is not an empty list."""
    script.then(reply(200, "{}"))
    with pytest.raises(errors.Transient, match="not a list"):
        door.list(resources.VIRTUAL_SERVICES)


@pytest.mark.parametrize("garbage", ["<html>busy</html>", "", "[1]", '{"cut": '])
def test_an_answer_that_is_no_object_is_transient(
    script: Script, door: KubeHttp, garbage: str
) -> None:
    """Something between us and the server speaks: whether the write happened is not known."""
    script.then(reply(200, garbage))
    with pytest.raises(errors.Transient):
        write(door)
    assert len(script.seen) == 1


def test_an_answer_without_end_is_not_read_to_the_end(script: Script) -> None:
    """A body larger than the limit is Permanent."""
    limits = replace(PATIENT, max_body=1000)
    door = connect.connect(role="test", url=script.url, limits=limits)
    script.then(reply(200, json.dumps({"data": "x" * 2000})))
    with pytest.raises(errors.Permanent, match="larger than 1000 bytes"):
        get(door)


def test_a_list_of_large_objects_is_read_in_smaller_pages(script: Script) -> None:
    """Pages of 500 and of 62 are too large; those of 7 are not, and make up the whole."""
    limits = replace(PATIENT, max_body=1000)
    door = connect.connect(role="test", url=script.url, limits=limits)
    large = reply(200, json.dumps({"metadata": {"resourceVersion": "7"}, "x": "x" * 2000}))
    names = ("first", "last")
    first, last = ({"metadata": {"resourceVersion": "7"}, "items": [named(name)]} for name in names)
    first["metadata"] = {"resourceVersion": "7", "continue": "more"}
    script.then(large, large, reply(200, json.dumps(first)), reply(200, json.dumps(last)))

    listing = door.list(resources.VIRTUAL_SERVICES, "prod")

    assert [item["metadata"]["name"] for item in listing.items] == ["first", "last"]
    assert [seen.path.partition("limit=")[2] for seen in script.seen] == [
        "500",
        "62",
        "7",
        "7&continue=more",
    ]


def named(name: str) -> dict[str, Any]:
    """An object of that name."""
    return {"metadata": {"name": name}}


def test_an_odd_object_is_not_read_alone(script: Script, door: KubeHttp) -> None:
    """What is computed from it and written back would lack the parts that were left out."""
    odd = json.dumps(SHOP)[:-1] + ',"spec":' + "[" * 1200 + "]" * 1200 + "}"
    script.then(reply(200, odd))
    with pytest.raises(errors.Permanent, match=r"spec\.0\.0.*: nested deeper than 64 levels"):
        get(door)
    assert write(door)["metadata"] == SHOP["metadata"]  # it was carried out


def test_a_server_that_is_silent_is_transient_after_the_timeout(
    script: Script, quick_door: KubeHttp
) -> None:
    """A request without an answer, or with half of one, ends after `Limits.read`."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"
    script.then(hang(script.over), hang(script.over, after=half))
    for _ in range(2):
        begin = time.monotonic()
        with pytest.raises(errors.Transient, match="timed out"):
            write(quick_door)
        assert time.monotonic() - begin < LONG_SECONDS


@pytest.mark.parametrize(
    "endless", [scripted.drip, scripted.drip_a_header, scripted.continue_for_ever]
)
def test_a_server_that_drips_is_transient_after_the_timeout(
    script: Script, endless: Callable[[threading.Event], scripted.Answer]
) -> None:
    """A byte now and then, of the body or of a header, does not keep a call alive."""
    door = connect.connect(
        role="test", url=script.url, limits=replace(QUICK, retries=0), clock=SystemClock()
    )
    script.then(endless(script.over))
    begin = time.monotonic()
    with pytest.raises(errors.Transient, match="timed out"):
        get(door)
    assert time.monotonic() - begin < LONG_SECONDS


def test_a_broken_connection_is_transient(script: Script, door: KubeHttp) -> None:
    """A reset says so, chains the library's exception, and is not tried again for a write."""
    script.then(reset)
    with pytest.raises(errors.Transient, match="the connection broke") as failure:
        write(door)
    assert failure.value.__cause__ is not None
    assert failure.value.status is None
    assert len(script.seen) == 1


def test_a_server_that_is_not_there_is_transient(clock: ManualClock) -> None:
    """A refused connection says so."""
    with scripted.serving() as gone:
        url = gone.url
    door = connect.connect(role="test", url=url, limits=PATIENT, clock=clock)
    with pytest.raises(errors.Transient, match="Connection refused"):
        get(door)


# --- trying again


def test_a_read_is_tried_again_twice(script: Script, door: KubeHttp, clock: ManualClock) -> None:
    """Two failures of different kinds are survived, with pauses of less than a second."""
    script.then(reset, status(500, "InternalError"), reply(200, json.dumps(SHOP)))
    assert get(door) == SHOP
    assert len(script.seen) == 3
    assert 0.1 < clock.monotonic() < 1


def test_a_read_is_not_tried_a_fourth_time(script: Script, door: KubeHttp) -> None:
    """After three attempts the last error is raised."""
    script.then(status(503, "ServiceUnavailable"))
    with pytest.raises(errors.Transient):
        get(door)
    assert len(script.seen) == 3


@pytest.mark.parametrize(("code", "reason"), [(404, "NotFound"), (403, "Forbidden")])
def test_an_answer_that_will_not_change_is_not_asked_for_again(
    script: Script, door: KubeHttp, code: int, reason: str
) -> None:
    """Facts and refusals are raised at once."""
    script.then(status(code, reason))
    with pytest.raises(errors.ClientError):
        get(door)
    assert len(script.seen) == 1


def test_a_write_the_server_turned_away_is_tried_again(
    script: Script, door: KubeHttp, clock: ManualClock
) -> None:
    """A 429 with Retry-After was not carried out: it is repeated no earlier than asked."""
    script.then(reply(429, "", Retry_After="2"), reply(200, json.dumps(SHOP)))
    assert write(door) == SHOP
    assert 2 <= clock.monotonic() < 3


@pytest.mark.parametrize(
    "answer",
    [
        reset,
        status(500, "InternalError", retryAfterSeconds=1),
        status(503, "ServiceUnavailable", retryAfterSeconds=1),
        status(504, "Timeout"),
        reply(429, ""),
    ],
    ids=["reset", "500", "503", "504", "429 without a time"],
)
def test_a_write_that_may_have_happened_is_not_repeated(
    script: Script, door: KubeHttp, answer: scripted.Answer
) -> None:
    """Only the caller, who can observe, may write again."""
    script.then(answer)
    with pytest.raises(errors.Transient):
        write(door)
    assert len(script.seen) == 1


def test_a_server_that_asks_for_too_much_patience_is_not_waited_for(
    script: Script, door: KubeHttp, clock: ManualClock
) -> None:
    """A Retry-After beyond five seconds is left to the caller, who learns of it."""
    script.then(reply(429, "", Retry_After="60"))
    with pytest.raises(errors.Transient) as failure:
        get(door)
    assert failure.value.retry_after == timedelta(seconds=60)
    assert len(script.seen) == 1
    assert clock.monotonic() == 0


def test_the_delay_in_a_status_object_counts_like_the_header(
    script: Script, door: KubeHttp
) -> None:
    """`details.retryAfterSeconds` is the API server's own form of Retry-After."""
    script.then(status(503, "ServiceUnavailable", retryAfterSeconds=30))
    with pytest.raises(errors.Transient) as failure:
        write(door)
    assert failure.value.retry_after == timedelta(seconds=30)


def test_calls_beyond_the_rate_wait_for_their_turn(script: Script, clock: ManualClock) -> None:
    """With 10 per second and a burst of 2, the seventh call is sent half a second later."""
    limits = replace(PATIENT, qps=10, burst=2)
    door = connect.connect(role="test", url=script.url, limits=limits, clock=clock)
    script.then(reply(200, "{}"))
    for _ in range(7):
        get(door)
    assert clock.monotonic() == pytest.approx(0.5)


# --- watches


def event(kind: str, resource_version: str) -> str:
    """A line of a watch."""
    obj = {"metadata": {"name": "shop", "resourceVersion": resource_version}}
    return json.dumps({"type": kind, "object": obj}) + "\n"


def test_events_are_read_across_the_pieces_they_come_in(script: Script, door: KubeHttp) -> None:
    """Half lines are put together, several lines in one piece are told apart."""
    text = event("ADDED", "1") + event("BOOKMARK", "2") + event("DELETED", "3")
    script.then(stream(text[:20], text[20:100], text[100:-5], text[-5:]))
    assert [each.type for each in watch(door)] == [
        WatchType.ADDED,
        WatchType.BOOKMARK,
        WatchType.DELETED,
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(410, errors.Expired), (500, errors.Transient), (403, errors.Permanent)],
)
def test_the_servers_own_error_ends_a_watch(
    script: Script, door: KubeHttp, code: int, kind: type[errors.ClientError]
) -> None:
    """An ERROR event is translated like an answer of its code, after the events before it."""
    said = {"kind": "Status", "code": code, "reason": "Because", "message": "too old"}
    script.then(stream(event("ADDED", "1"), json.dumps({"type": "ERROR", "object": said}) + "\n"))
    stream_of_events = door.watch(resources.VIRTUAL_SERVICES, "prod", "7", timedelta(seconds=270))
    assert next(stream_of_events).type is WatchType.ADDED
    with pytest.raises(errors.ClientError, match="too old") as failure:
        next(stream_of_events)
    assert type(failure.value) is kind


def test_a_watch_that_is_refused_is_translated(script: Script, door: KubeHttp) -> None:
    """A 410 as the answer itself is Expired too, and is not tried again here."""
    script.then(status(410, "Expired"))
    with pytest.raises(errors.Expired):
        watch(door)
    assert len(script.seen) == 1


@pytest.mark.parametrize(
    "line",
    ["not json\n", "[]\n", "{}\n", '{"type":"RENAMED","object":{}}\n', '{"type":"ADDED"'],
)
def test_a_line_that_is_no_event_is_transient(script: Script, door: KubeHttp, line: str) -> None:
    """Garbage, an unknown type and half an event end the watch, for the caller to resume."""
    script.then(stream(event("ADDED", "1"), line))
    with pytest.raises(errors.Transient, match="not a watch event"):
        watch(door)


def test_a_watch_that_breaks_or_falls_silent_is_transient(
    script: Script, door: KubeHttp, quick_door: KubeHttp
) -> None:
    """A reset, and more quiet than `Limits.silence`, are noticed."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    script.then(stream(event("ADDED", "1"), cut=True), hang(script.over, after=head))
    with pytest.raises(errors.Transient, match="the connection broke"):
        watch(door)
    with pytest.raises(errors.Transient, match="timed out"):
        watch(quick_door)


def test_closing_the_door_ends_a_watch_of_another_thread(script: Script) -> None:
    """The reader sees the end of the stream at once, not an error and not the timeout."""
    door = connect.connect(role="test", url=script.url)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    line = event("ADDED", "1").encode()
    script.then(hang(script.over, after=head + f"{len(line):x}\r\n".encode() + line + b"\r\n"))
    stream_of_events = door.watch(resources.VIRTUAL_SERVICES, "prod", "7", timedelta(seconds=270))
    next(stream_of_events)
    begin = time.monotonic()
    threading.Timer(0.1, door.close).start()
    assert list(stream_of_events) == []
    assert time.monotonic() - begin < LONG_SECONDS


# --- connecting


def test_a_servers_url_may_have_a_path(script: Script) -> None:
    """Gateways serve many clusters under one host."""
    script.then(reply(200, json.dumps(SHOP)))
    door = connect.connect(role="test", url=f"{script.url}/clusters/one/")
    get(door)
    assert script.seen[0].path == f"/clusters/one{VIRTUAL_SERVICES_PATH}/shop"


def test_a_proxy_of_the_kubeconfig_is_used(script: Script, tmp_path: Path) -> None:
    """The proxy is sent the server's whole URL; the server itself is never asked."""
    script.then(reply(200, json.dumps(SHOP)))
    cluster = {"server": "http://cluster.invalid", "proxy-url": script.url}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    door = connect.connect(role="test", kubeconfig=kubeconfig, limits=PATIENT)
    assert get(door) == SHOP
    assert script.seen[0].path == f"http://cluster.invalid{VIRTUAL_SERVICES_PATH}/shop"


def test_in_a_cluster_the_service_account_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Address, token and CA are those Kubernetes puts into every pod."""
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("the-token")
    ca.write_text("-----BEGIN CERTIFICATE-----")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(ca))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    api = connect.connect(role="beat")._transport._api
    assert api.configuration.host == "https://10.0.0.1:443"
    assert api.configuration.ssl_ca_cert == str(ca)
    assert api.configuration.auth_settings()["BearerToken"]["value"] == "bearer the-token"
    assert api.user_agent == "coalmine/beat"


@pytest.mark.parametrize(
    ("answer", "later", "sent"),
    [
        (reply(200, json.dumps(SHOP)), 9, "first"),
        (reply(200, json.dumps(SHOP)), 10, "second"),
        (status(401, "Unauthorized"), 0, "second"),
        (status(403, "Forbidden"), 0, "first"),
    ],
)
def test_a_token_is_asked_for_again_when_it_is_old_or_refused(
    script: Script,
    clock: ManualClock,
    answer: scripted.Answer,
    later: int,
    sent: str,
) -> None:
    """Every ten seconds, and after `401 Unauthorized`: what renews it costs a fifth of a call."""
    door = connect.connect(role="routing", url=script.url, limits=PATIENT, clock=clock)
    tokens = iter(("first", "second"))
    configuration = door._transport._api.configuration
    configuration.api_key["authorization"] = "unasked"
    configuration.refresh_api_key_hook = lambda config: config.api_key.update(
        authorization=next(tokens)
    )
    script.then(answer, reply(200, json.dumps(SHOP)))
    with contextlib.suppress(errors.Permanent):
        get(door.until(clock.monotonic() + 5))
    clock.advance(timedelta(seconds=later))
    get(door.until(clock.monotonic() + 5))
    assert [each.headers["Authorization"] for each in script.seen] == ["first", sent]


def test_a_kubeconfig_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(errors.Permanent, match="nowhere"):
        connect.connect(role="test", kubeconfig=tmp_path / "nowhere")


def test_a_context_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A kubeconfig without its current context is Permanent; the message names the context."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{current-context: other, clusters: [], users: [], contexts: []}")
    with pytest.raises(errors.Permanent, match="name other in"):
        connect.connect(role="test", kubeconfig=kubeconfig)


@pytest.mark.parametrize("text", ["{token: hush-hush", "", "[hush-hush]", "contexts: hush-hush"])
def test_a_file_that_is_no_kubeconfig_is_told_without_its_content(
    tmp_path: Path, text: str
) -> None:
    """A parser's words quote the file, which holds credentials: they are not passed on."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(text)
    with pytest.raises(errors.Permanent, match="kubeconfig") as failure:
        connect.connect(role="test", kubeconfig=kubeconfig)
    told = "".join(traceback.format_exception(failure.value))
    assert "hush-hush" not in told.replace(repr(text), "")


def test_outside_a_cluster_the_ways_in_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With neither URL nor kubeconfig nor a ServiceAccount, the message says all three."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(errors.Permanent, match="no kubeconfig and not in a cluster"):
        connect.connect(role="test")


# --- what is told


def test_every_call_is_told_with_its_verb_resource_and_outcome(
    script: Script, clock: ManualClock
) -> None:
    """Each attempt by itself; names of objects and namespaces are in no label."""
    notes = Notes()
    door = connect.connect(role="routing", url=script.url, limits=PATIENT, clock=clock, tell=notes)
    script.then(
        status(500, "InternalError"),
        reply(200, json.dumps(SHOP)),
        status(409, "Conflict"),
        status(409, "AlreadyExists"),
        reply(200, json.dumps(SHOP)),
        reply(200, json.dumps({"metadata": {"resourceVersion": "7"}, "items": []})),
        stream(),
        status(410, "Expired"),
    )
    get(door)
    with pytest.raises(errors.Conflict):
        write(door)
    with pytest.raises(errors.AlreadyExists):
        door.create(resources.EVENTS, "prod", SHOP)
    door.patch(resources.CANARIES, "prod", "shop", {}, subresource="status")
    door.list(resources.SERVICES)
    watch(door)
    with pytest.raises(errors.Expired):
        watch(door)
    door.close()

    assert notes.counts[instruments.API_CALLS] == {
        ("get", "virtualservices", "transient"): 1,
        ("get", "virtualservices", "ok"): 1,
        ("patch", "virtualservices", "conflict"): 1,
        ("post", "events", "already-exists"): 1,
        ("patch", "canaries/status", "ok"): 1,
        ("list", "services", "ok"): 1,
        ("watch", "virtualservices", "ok"): 1,
        ("watch", "virtualservices", "expired"): 1,
    }
