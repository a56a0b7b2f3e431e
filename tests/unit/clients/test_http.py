"""The door to servers that users name, and the policy by which webhooks are tried again.

Tested: what goes out, what every answer and failure becomes, redirects, bounds on time and size,
that no credential of a URL shows in an error, back-off and texts of Flagger's webhook client.
"""

import base64
import contextlib
import itertools
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from clients import errors
from clients.clock import ManualClock
from clients.http import client
from clients.http.client import Http
from clients.http.connections import Request, to_server
from config.networks import SAID, Denied
from tests.unit.clients import scripted
from tests.unit.clients.scripted import (
    Script,
    continue_for_ever,
    drip,
    drip_a_header,
    hang,
    reply,
    reset,
)

SHORT: Final = timedelta(seconds=0.3)
LONG_SECONDS: Final = 10
"""Far less than a server takes that does not answer, and more than a busy machine does."""


@pytest.fixture
def script() -> Iterator[Script]:
    """The receiver's script."""
    with scripted.serving() as served:
        yield served


@pytest.fixture
def clock() -> ManualClock:
    """Time that passes only by waiting for another attempt."""
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


def post_json(
    url: str,
    body: Any,
    *,
    timeout: timedelta = client.DEFAULT_TIMEOUT,
    verify_tls: bool = True,
) -> client.Response:
    """The answer to a POST, over a connection of its own."""
    return client.Http(verify_tls=verify_tls).post_json(url, body, timeout)


# --- one request


def test_a_body_is_posted_as_json(script: Script) -> None:
    """Method, path with query, content type and the JSON arrive; the answer comes back."""
    script.then(reply(202, "started"))
    answer = post_json(f"{script.url}/hook?a=b", {"name": "shöp"})
    assert (answer.status, answer.body) == (202, "started")
    (seen,) = script.seen
    assert (seen.method, seen.path) == ("POST", "/hook?a=b")
    assert seen.headers["Content-Type"] == "application/json"
    assert json.loads(seen.body) == {"name": "shöp"}


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 429, 500, 503])
def test_any_answer_is_an_answer(script: Script, status: int) -> None:
    """What a status means is the caller's business."""
    script.then(reply(status, "" if status in {204, 304} else "words"))
    assert post_json(script.url, {}).status == status


def test_the_beginning_of_a_long_answer_is_kept(script: Script) -> None:
    """`MAX_BODY` bytes are read, however much is sent."""
    script.then(reply(200, "x" * 1_000_000))
    assert post_json(script.url, {}).body == "x" * client.MAX_BODY


def test_bytes_that_are_no_text_are_an_answer_too(script: Script) -> None:
    """What is not UTF-8 is replaced, not raised."""
    script.then(reply(200, b"ok \xff"))
    assert post_json(script.url, {}).body == "ok \N{REPLACEMENT CHARACTER}"


def test_a_receiver_that_is_late_is_transient_within_the_timeout(script: Script) -> None:
    """No answer, half an answer, an endless one and endless headers all end after `timeout`."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"
    endless = [each(script.over) for each in (drip, drip_a_header, continue_for_ever)]
    script.then(hang(script.over), hang(script.over, after=half), *endless)
    for _ in range(5):
        begin = time.monotonic()
        with pytest.raises(errors.Transient, match="timed out"):
            post_json(script.url, {}, timeout=SHORT)
        assert time.monotonic() - begin < LONG_SECONDS


def test_a_receiver_that_is_gone_is_transient() -> None:
    """A refused connection names the URL and the system's words."""
    with scripted.serving() as gone:
        url = gone.url
    with pytest.raises(errors.Transient) as failure:
        post_json(f"{url}/hook", {})
    assert failure.value.message == f"POST {url}/hook: connecting failed: Connection refused"


def test_a_connection_that_breaks_is_transient(script: Script) -> None:
    """A reset is not a verdict."""
    script.then(reset)
    with pytest.raises(errors.Transient, match="the connection broke"):
        post_json(script.url, {})


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "host/x", "", "http://", "http://[::1/x", "http://a:port/", "file:///etc"],
)
def test_what_is_no_web_address_is_permanent(url: str) -> None:
    """A URL that cannot be asked is refused without asking."""
    with pytest.raises(errors.Permanent):
        post_json(url, {})


def test_userinfo_in_a_url_is_sent_as_basic_authorization(script: Script) -> None:
    """As Go's client does; percent signs are decoded."""
    script.then(reply(200))
    post_json(script.url.replace("//", "//user:p%40ss@"), {})
    token = base64.b64encode(b"user:p@ss").decode()
    assert script.seen[0].headers["Authorization"] == f"Basic {token}"


def _named(monkeypatch: pytest.MonkeyPatch, look_up: Callable[[], list[str]]) -> None:
    """Has the system look `receiver.test` up so."""
    really = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if host != "receiver.test":
            return really(host, port, *more, **named)
        return [
            row for address in look_up() for row in really(address, port, type=socket.SOCK_STREAM)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_name_that_is_looked_up_for_too_long_is_no_matter_of_the_receiver(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-81: name servers that hang held callers for 40 s, and the post was made after all."""
    answered = threading.Event()

    def look_up() -> list[str]:
        answered.wait(2 * LONG_SECONDS)
        return ["127.0.0.1"]

    _named(monkeypatch, look_up)
    url = script.url.replace("127.0.0.1", "receiver.test")
    started = time.monotonic()
    with pytest.raises(errors.Transient, match="connecting timed out"):
        post_json(url, {}, timeout=SHORT)
    assert time.monotonic() - started < LONG_SECONDS
    answered.set()
    script.then(reply(200, "another"))
    assert post_json(url, {}).body == "another"
    assert len(script.seen) == 1, "nothing is sent when nobody waits for the answer"


def test_an_address_that_swallows_all_leaves_time_for_the_next_one(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each address of a name had the whole limit: two of them made a timeout twice as long."""
    port = int(script.url.rpartition(":")[2])
    with contextlib.ExitStack() as opened:
        full = opened.enter_context(socket.create_server(("127.0.0.2", port), backlog=0))
        for _ in range(2):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        _named(monkeypatch, lambda: ["127.0.0.2", "127.0.0.1"])
        script.then(reply(200, "here"))
        url = script.url.replace("127.0.0.1", "receiver.test")
        assert post_json(url, {}, timeout=timedelta(seconds=3)).body == "here"

        _named(monkeypatch, lambda: ["127.0.0.2"])
        started = time.monotonic()
        with pytest.raises(errors.Transient, match="connecting timed out"):
            post_json(url, {}, timeout=SHORT)
        assert time.monotonic() - started < LONG_SECONDS


# --- denied networks

LOOPBACK: Final = Denied.parse("127.0.0.0/8,::1/128")


def denied(url: str, **options: Any) -> errors.Permanent:
    """What asking there comes to."""
    with pytest.raises(errors.Permanent, match="--denied-networks") as denied:
        Http(denied=LOOPBACK, **options).post_json(url, {})
    return denied.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "2130706433"])
def test_nobody_in_a_denied_network_is_asked(script: Script, host: str) -> None:
    """By the address that is connected to; however it is written, and without a connection."""
    url = script.url.replace("127.0.0.1", host)
    assert denied(f"{url}/path").message == f"POST {url}/path: {SAID}"
    assert not script.seen
    elsewhere = Http(denied=Denied.parse("10.0.0.0/8"))
    script.then(reply(200, ""))
    assert elsewhere.post_json(script.url, {}).status == 200


def test_a_name_counts_by_where_it_leads_when_it_is_asked(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked up once: no second answer leads elsewhere. Of several addresses some may do."""
    answers = [["127.0.0.1"], ["127.0.0.1", "127.0.0.9"]]
    _named(monkeypatch, lambda: answers.pop(0))
    url = script.url.replace("127.0.0.1", "receiver.test")
    denied(url)
    assert len(answers) == 1
    script.then(reply(200, "here"))
    others = Http(denied=Denied.parse("127.0.0.9/32"))
    assert others.post_json(url, {}).body == "here"


def test_neither_redirects_nor_proxies_lead_to_a_denied_network(script: Script) -> None:
    """The first host may be anybody's."""
    target = script.url.replace("127.0.0.1", "127.0.0.2")
    script.then(reply(302, "", Location=target))
    with pytest.raises(errors.Permanent, match="--denied-networks"):
        Http(denied=Denied.parse("127.0.0.2/32")).post_json(script.url, {})
    assert len(script.seen) == 1
    denied("http://receiver.invalid", proxy=script.url)


def test_metric_queries_are_held_to_the_same(script: Script) -> None:
    """They go by libcurl."""
    for host in ("127.0.0.1", "localhost"):
        url = script.url.replace("127.0.0.1", host)
        server = to_server(url, {}, authorities=None, max_body=99, kept=1, denied=LOOPBACK)
        with pytest.raises(errors.Permanent, match="asking: its network is among those"):
            server.ask(Request("GET", "/", {}, None, repeatable=True), 2, "asking")
    assert not script.seen
    script.then(reply(200, "here"))
    tens = Denied.parse("10.0.0.0/8")
    server = to_server(script.url, {}, authorities=None, max_body=99, kept=1, denied=tens)
    answer = server.ask(Request("GET", "/", {}, None, repeatable=True), 2, "asking")
    assert (answer.status, answer.body) == (200, b"here")


# --- redirects


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"[1]")],
)
def test_redirects_are_followed(script: Script, status: int, method: str, body: bytes) -> None:
    """307 repeats the request elsewhere; the others become a GET, as in Go and browsers."""
    script.then(reply(status, Location="/there"), reply(200, "ok"))
    assert post_json(f"{script.url}/here", [1]).body == "ok"
    assert [(seen.method, seen.path, seen.body) for seen in script.seen] == [
        ("POST", "/here", b"[1]"),
        (method, "/there", body),
    ]


def test_redirects_in_a_circle_end(script: Script) -> None:
    """After ten redirects it is Permanent."""
    script.then(reply(307, Location="/again"))
    with pytest.raises(errors.Permanent, match="more than 10 redirects"):
        post_json(script.url, {})
    assert len(script.seen) == 11


def test_a_token_does_not_follow_a_redirect_to_another_host(script: Script) -> None:
    """The userinfo of a URL goes to the host it was meant for."""
    with scripted.serving() as other:
        other.then(reply(200))
        script.then(reply(307, Location=f"{other.url}/there"))
        post_json(script.url.replace("//", "//user:hush@"), {})
        assert "Authorization" in script.seen[0].headers
        assert "Authorization" not in other.seen[0].headers
        assert other.seen[0].headers["Content-Type"] == "application/json"


def test_a_bearer_token_goes_to_the_host_of_the_url_alone(script: Script) -> None:
    """Also beside a userinfo, and along a redirect of that host."""
    with scripted.serving() as other:
        other.then(reply(200))
        script.then(reply(307, Location="/there"), reply(307, Location=f"{other.url}/there"))
        url = script.url.replace("//", "//user:hush@")
        client.Http().post_json(url, {}, token="xoxb-1")
        sent = [each.headers["Authorization"] for each in script.seen]
        assert sent == ["Bearer xoxb-1", "Bearer xoxb-1"]
        assert "Authorization" not in other.seen[0].headers


@pytest.mark.parametrize("proxy", ["://me:hush@x", "ftp://me:hush@proxy:21"])
def test_a_proxy_that_is_none_is_refused_without_being_shown(proxy: str) -> None:
    """It may have a password."""
    with pytest.raises(errors.Permanent) as refused:
        client.Http(proxy=proxy)
    assert "hush" not in "".join(traceback.format_exception(refused.value))


def test_a_redirect_to_another_scheme_is_not_followed(script: Script) -> None:
    """A receiver cannot make us read a file."""
    script.then(reply(302, Location="file:///etc/passwd"))
    with pytest.raises(errors.Permanent, match="http or https"):
        post_json(script.url, {})


# --- secrets


@pytest.mark.parametrize("answer", [reset, reply(302, Location="ftp://u:hush@x/?hush")])
def test_no_credential_of_a_url_shows_in_an_error(script: Script, answer: scripted.Answer) -> None:
    """Userinfo and query are in no message, no repr and no traceback."""
    script.then(answer)
    url = script.url.replace("//", "//user:hush@") + "/hook?token=hush"
    body = {"secret": "hush"}
    with pytest.raises(errors.ClientError) as failure:
        post_json(url, body)
    told = "".join(traceback.format_exception(failure.value))
    assert "hush" not in told
    assert "hush" not in repr(failure.value)


@pytest.mark.parametrize("url", ["http://u:hush@[bad/?hush", "http://u:hush@h:bad/?hush"])
def test_no_credential_shows_when_the_url_itself_is_wrong(url: str) -> None:
    """An address that cannot be parsed is not quoted."""
    with pytest.raises(errors.Permanent) as failure:
        post_json(url, {})
    assert "hush" not in "".join(traceback.format_exception(failure.value)).replace(url, "")
    assert failure.value.__cause__ is None


# --- TLS


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The TLS of a server whose certificate nobody signed but itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on this machine; `apt-get install openssl` brings it")
    folder: Path = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_an_untrusted_certificate_is_permanent(untrusted: ssl.SSLContext) -> None:
    """No other attempt will make it trusted; the message says so."""
    with scripted.serving(untrusted) as receiver:
        receiver.then(reply(200))
        with pytest.raises(errors.Permanent, match=r"certificate is not trusted: self.signed"):
            post_json(receiver.url, {})
        assert receiver.seen == []


def test_verification_can_be_turned_off(untrusted: ssl.SSLContext) -> None:
    """With `verify_tls=False` (disableTLS) any certificate will do."""
    with scripted.serving(untrusted) as receiver:
        receiver.then(reply(200, "ok"))
        assert post_json(receiver.url, {}, verify_tls=False).body == "ok"


# --- trying again


def post(script: Script, clock: ManualClock, retries: int = 0) -> client.Response:
    """A webhook's call, tried again so many times."""
    url = f"{script.url}/hook"
    return client.persistently(lambda: post_json(url, {}, timeout=SHORT), url, clock, retries)


def test_an_answer_that_is_a_verdict_is_not_asked_for_again(
    script: Script, clock: ManualClock
) -> None:
    """Success, refusals and 501 come back at once, with the receiver's words."""
    for status in (200, 202, 204, 400, 403, 404, 501):
        script.answers.clear()
        script.then(reply(status, "" if status == 204 else "words"))
        assert post(script, clock, 3).status == status
    assert len(script.seen) == 7
    assert clock.monotonic() == 0


def test_a_receiver_that_recovers_is_waited_for(script: Script, clock: ManualClock) -> None:
    """Errors, broken connections and 429 are followed by 1 s, 2 s, 4 s and another attempt."""
    script.then(reply(500, "no"), reset, reply(429, "slow"), reply(200, "ok"))
    assert post(script, clock, 3).body == "ok"
    assert clock.monotonic() == 1 + 2 + 4


def test_the_pauses_double_up_to_half_a_minute(script: Script, clock: ManualClock) -> None:
    """1, 2, 4, 8, 16 and then 30 seconds, for ever."""
    script.then(reply(500, "no"))
    waited = [0.0]
    for retries in range(1, 9):
        before = clock.monotonic()
        with pytest.raises(errors.Transient):
            post(script, clock, retries)
        waited.append(clock.monotonic() - before)
    pauses = [after - before for before, after in itertools.pairwise(waited)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize(
    ("status", "waited"),
    [(429, 7), (503, 7), (500, 1)],
)
def test_retry_after_counts_for_429_and_503(
    script: Script, clock: ManualClock, status: int, waited: int
) -> None:
    """The receiver's delay takes the place of the back-off, for these two only."""
    script.then(reply(status, "", Retry_After="7"), reply(200))
    post(script, clock, 1)
    assert clock.monotonic() == waited


def test_no_receiver_holds_a_worker_for_ever(script: Script, clock: ManualClock) -> None:
    """A Retry-After of a day is waited for five minutes."""
    script.then(reply(429, "", Retry_After="86400"), reply(200))
    post(script, clock, 1)
    assert clock.monotonic() == 300


@pytest.mark.parametrize(
    ("retries", "answer", "text"),
    [
        (0, reply(500, "boom"), "giving up after 1 attempt(s): boom"),
        (2, reply(503, ""), "giving up after 3 attempt(s)"),
        (1, reset, "giving up after 2 attempt(s): the connection broke: Connection reset by peer"),
    ],
    ids=["body", "no body", "reset"],
)
def test_giving_up_says_how_often_and_why(
    script: Script, clock: ManualClock, retries: int, answer: scripted.Answer, text: str
) -> None:
    """Flagger's text, and after a colon what the last attempt met: a body is not lost."""
    script.then(answer)
    with pytest.raises(errors.Transient) as failure:
        post(script, clock, retries)
    assert failure.value.message == f"POST {script.url}/hook {text}"
    assert len(script.seen) == retries + 1


def test_the_body_in_a_giving_up_is_cut(script: Script, clock: ManualClock) -> None:
    """At most 256 characters of the receiver's words."""
    script.then(reply(500, "x" * 5000))
    with pytest.raises(errors.Transient) as failure:
        post(script, clock)
    assert len(failure.value.message.rpartition(": ")[2]) == 256


def test_a_giving_up_shows_no_credential(script: Script, clock: ManualClock) -> None:
    """The URL in the text is without userinfo and query."""
    script.then(reply(500, "boom"))
    url = f"{script.url}/hook?token=hush"
    with pytest.raises(errors.Transient) as failure:
        client.persistently(lambda: post_json(url, {}), url, clock)
    assert failure.value.message == f"POST {script.url}/hook giving up after 1 attempt(s): boom"


def test_what_no_attempt_can_mend_is_not_tried_again(clock: ManualClock) -> None:
    """A wrong URL is raised at once."""
    with pytest.raises(errors.Permanent):
        client.persistently(lambda: post_json("ftp://x", {}), "ftp://x", clock, retries=5)
    assert clock.monotonic() == 0
