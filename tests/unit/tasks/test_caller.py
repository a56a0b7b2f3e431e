"""Webhooks over real HTTP: what is sent, how often, and what the answers are taken for."""

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis.hooks import checksum
from analysis.phases import Phase
from analysis.state import HookRound
from tasks.caller import Caller
from tests.unit.analysis import worlds
from tests.unit.clients.scripted import Script, hang, reply, reset, serving
from tests.unit.tasks.worlds import NOW, REF, Room, a_state


@pytest.fixture
def server() -> Iterator[Script]:
    """An endpoint."""
    with serving() as script:
        yield script


def a_room(*webhooks: dict[str, Any], phase: Phase = Phase.PROGRESSING) -> Room:
    """A rollout that waits for the answers of round 7, of its rollout hooks."""
    room = Room()
    hooks = [{"name": f"hook-{index}", **hook} for index, hook in enumerate(webhooks)]
    room.put(canary=worlds.a_manifest(webhooks=hooks))
    asked = HookRound(7, "rollout", NOW + timedelta(minutes=1))
    room.commit(replace(a_state(), phase=phase, round=asked, applied="r2"))
    return room


def answer(room: Room, index: int = 0, round_id: int = 7) -> dict[str, Any]:
    """The answer of a hook."""
    return Caller(room.store, room.clock).call(REF, round_id, index)


def failed(message: str, name: str = "hook-0") -> dict[str, Any]:
    """The answer of a hook that failed."""
    return {"name": name, "type": "rollout", "ok": False, "message": message}


def test_a_hook_gets_the_payload_of_the_reference(server: Script) -> None:
    """21: POST, JSON, these keys in this order; no state of ours."""
    server.then(reply(200))
    room = a_room({"url": f"{server.url}/gate", "metadata": {"type": "bash", "cmd": "true"}})
    result = answer(room)
    assert result == {"name": "hook-0", "type": "rollout", "ok": True, "message": ""}
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/gate")
    assert seen.headers["Content-Type"] == "application/json"
    body = json.loads(seen.body)
    assert list(body) == ["name", "namespace", "phase", "checksum", "metadata"]
    assert body == {
        "name": "cart",
        "namespace": "shop",
        "phase": "Progressing",
        "checksum": checksum("r2", None),
        "metadata": {"type": "bash", "cmd": "true"},
    }


def test_a_failed_promotion_is_told_in_flagger_s_word(server: Script) -> None:
    """Receivers know a fixed set of phases."""
    server.then(reply(200))
    answer(a_room({"url": server.url}, phase=Phase.PROMOTION_FAILED))
    assert json.loads(server.seen[0].body)["phase"] == "Failed"


@pytest.mark.parametrize("status", [200, 201, 202])
def test_success_is_one_of_three_statuses(server: Script, status: int) -> None:
    """21."""
    server.then(reply(status, "whatever"))
    assert answer(a_room({"url": server.url}))["ok"] is True


@pytest.mark.parametrize("status", [203, 204, 304, 400, 404, 501])
def test_every_other_status_is_a_refusal_with_the_body_as_its_text(
    server: Script, status: int
) -> None:
    """21: one attempt, whatever `retries` says."""
    bodiless = status in {204, 304}
    server.then(reply(status, "" if bodiless else "not today"))
    result = answer(a_room({"url": server.url, "retries": 3}))
    assert result == failed(f"status {status}" if bodiless else "not today")
    assert len(server.seen) == 1


def test_what_may_get_better_is_tried_again(server: Script) -> None:
    """21, 28: 1 s, 2 s, 4 s between attempts; a good answer ends it."""
    server.then(reply(500), reset, reply(429, Retry_After="20"), reply(202))
    room = a_room({"url": server.url, "retries": 3})
    assert answer(room)["ok"] is True
    assert len(server.seen) == 4
    assert room.clock.now() - NOW == timedelta(seconds=1 + 2 + 20)


def test_giving_up_says_so_and_why(server: Script) -> None:
    """21; with the last answer, which Flagger drops, and without what a URL may hide."""
    server.then(reply(503, "try later"))
    secret = server.url.replace("http://", "http://user:pass@") + "/gate?token=secret"
    result = answer(a_room({"url": secret, "retries": 2}))
    assert result == failed(f"POST {server.url}/gate giving up after 3 attempt(s): try later")
    assert len(server.seen) == 3


def test_an_endpoint_that_is_away_is_told(server: Script) -> None:
    """Connecting fails at once; the attempt is counted."""
    room = a_room({"url": "http://127.0.0.1:9/"})
    message = answer(room)["message"]
    assert message.startswith("POST http://127.0.0.1:9/ giving up after 1 attempt(s): connecting")


def test_an_endpoint_that_is_late_is_told(server: Script) -> None:
    """Each attempt has the time limit of the manifest."""
    server.then(hang(server.over))
    message = answer(a_room({"url": server.url, "timeout": "100ms"}))["message"]
    assert "giving up after 1 attempt(s): timed out" in message
    server.over.set()


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The TLS of a server whose certificate nobody signed but itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on this machine; `apt-get install openssl` brings it")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_certificate_that_is_not_trusted_is_a_refusal(self_signed: ssl.SSLContext) -> None:
    """21: no retry; 28: `disableTLS` accepts it."""
    with serving(self_signed) as server:
        server.then(reply(200))
        room = a_room({"url": server.url, "retries": 5}, {"url": server.url, "disableTLS": True})
        message = answer(room)["message"]
        assert "the certificate is not trusted" in message
        assert server.seen == []
        assert room.clock.now() == NOW
        assert answer(room, 1)["ok"] is True


@pytest.mark.parametrize(
    ("round_id", "index"), [(6, 0), (8, 0), (7, 1)], ids=["older", "newer", "no such hook"]
)
def test_a_hook_that_is_no_longer_asked_for_is_not_called(
    server: Script, round_id: int, index: int
) -> None:
    """A late message, or a manifest edited since."""
    server.then(reply(200))
    result = answer(a_room({"url": server.url}), index, round_id)
    assert result == {"name": "", "type": "", "ok": False, "message": "no longer asked for"}
    assert server.seen == []


def test_hooks_are_counted_within_their_type(server: Script) -> None:
    """Index 1 of the rollout hooks, whatever stands between them."""
    server.then(reply(200))
    room = a_room(
        {"url": f"{server.url}/a"},
        {"url": f"{server.url}/b", "type": "pre-rollout"},
        {"url": f"{server.url}/c", "type": "rollout"},
    )
    assert answer(room, 1)["name"] == "hook-2"
    assert server.seen[0].path == "/c"


def test_a_canary_that_is_gone_calls_nobody(server: Script) -> None:
    """Forgotten between question and call."""
    room = a_room({"url": server.url})
    room.store.forget(REF)
    assert answer(room)["ok"] is False
    assert server.seen == []
