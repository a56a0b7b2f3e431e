"""Webhooks over real HTTP: what is sent, how often, and what the answers are taken for."""

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from analysis import hooks
from analysis import state as states
from analysis.findings import HookResult
from analysis.hooks import HookCall, checksum
from analysis.phases import Phase
from analysis.state import HookRound
from clients import errors, instruments
from clients.clock import ManualClock
from clients.documents.calls import HookCalls
from clients.documents.world import World
from clients.fair_threads import FairThreads
from clients.redis import keys
from clients.redis.records import Asked, Commit, Work
from clients.redis.rollouts import MESSAGE_WAITS
from clients.redis.scripts import Invocation
from config.api.hooks import WebhookType
from config.ranks import Rank
from config.refs import CanaryRef
from tasks import gather
from tasks.caller import Caller, HttpPoster, Leases, Poster, Timed
from tests.fakes.notes import Notes
from tests.patience import until
from tests.stage.bag import Bag
from tests.stage.measuring import InlineThreads
from tests.stores import DirectStore
from tests.unit.analysis import worlds
from tests.unit.clients.scripted import Script, hang, reply, reset, serving
from tests.unit.tasks.worlds import ADMISSION, NOW, REF, Room, a_state

ASKED = HookRound(7, WebhookType.ROLLOUT, NOW)


@pytest.fixture
def server() -> Iterator[Script]:
    """An endpoint."""
    with serving() as script:
        yield script


def a_room(
    *webhooks: dict[str, Any], phase: Phase = Phase.PROGRESSING, asked: HookRound = ASKED
) -> Room:
    """A rollout that waits for the answers of round 7."""
    room = Room()
    hooks = [{"name": f"hook-{index}", **hook} for index, hook in enumerate(webhooks)]
    room.put(canary=worlds.a_manifest(webhooks=hooks))
    for _ in range(ASKED.id):
        room.commit(replace(a_state(), phase=phase, round=asked, applied="r2"))
    return room


def calls(room: Room, kind: WebhookType = ASKED.type) -> tuple[HookCall, ...]:
    """The calls of the round."""
    canary = gather.accepted(room.store.read(REF).world)
    assert canary is not None
    return hooks.hook_calls(canary, kind, "Progressing", "r2")


def a_caller(room: Room, poster: Poster, bag: Bag | None = None) -> Caller:
    """A caller that makes calls while it is told to, and renews their leases all the time."""
    leases = Leases(room.store, every=0.001)
    return Caller(room.store, poster, bag or Bag(), room.clock, InlineThreads(), leases)


def call(room: Room, key: str, round_id: int = ASKED.id) -> None:
    """A message about a call is taken by a worker."""
    a_caller(room, HttpPoster(room.clock)).call(Asked(REF, round_id, key))


def answer(room: Room, index: int = 0) -> HookResult | None:
    """The answer of a hook of the round, which is called; None when none is kept."""
    key = calls(room)[index].key
    call(room, key)
    return room.store.calls(REF, ASKED.id).answers.get(key)


def passed(name: str = "hook-0") -> HookResult:
    """The answer of a hook that agreed."""
    return HookResult(name, WebhookType.ROLLOUT, ok=True)


def refusal(room: Room) -> str:
    """Why the first hook of the round failed."""
    kept = answer(room)
    assert kept is not None
    assert not kept.ok
    return kept.message


def failed(message: str, name: str = "hook-0", *, answered: bool = True) -> HookResult:
    """The answer of a hook that failed."""
    return HookResult(name, WebhookType.ROLLOUT, ok=False, message=message, answered=answered)


def test_a_hook_gets_the_payload_of_the_reference(server: Script) -> None:
    """21: POST, JSON, these keys in this order; no state of ours."""
    server.then(reply(200))
    room = a_room({"url": f"{server.url}/gate", "metadata": {"type": "bash", "cmd": "true"}})
    result = answer(room)
    assert result == passed()
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/gate")
    assert seen.headers["Content-Type"] == "application/json"
    body = json.loads(seen.body)
    assert list(body) == ["name", "namespace", "phase", "checksum", "metadata"]
    assert body == {
        "name": "cart",
        "namespace": "shop",
        "phase": "Progressing",
        "checksum": checksum("r2"),
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
    assert answer(a_room({"url": server.url})) == passed()


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
    assert answer(room) == passed()
    assert len(server.seen) == 4
    assert room.clock.now() - NOW == timedelta(seconds=1 + 2 + 20)


def test_giving_up_says_so_and_why(server: Script) -> None:
    """21; with the last answer, which Flagger drops, and without what a URL may hide."""
    server.then(reply(503, "try later"))
    secret = server.url.replace("http://", "http://user:pass@") + "/gate?token=secret"
    result = answer(a_room({"url": secret, "retries": 2}))
    told = f"POST {server.url}/gate giving up after 3 attempt(s): try later"
    assert result == failed(told, answered=False)
    assert len(server.seen) == 3


def test_an_endpoint_that_is_away_is_told(server: Script) -> None:
    """Connecting fails at once; the attempt is counted."""
    room = a_room({"url": "http://127.0.0.1:9/"})
    message = refusal(room)
    assert message.startswith("POST http://127.0.0.1:9/ giving up after 1 attempt(s): connecting")


def test_an_endpoint_that_is_late_is_told(server: Script) -> None:
    """Each attempt has the time limit of the manifest."""
    server.then(hang(server.over))
    message = refusal(a_room({"url": server.url, "timeout": "100ms"}))
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
        message = refusal(room)
        assert "the certificate is not trusted" in message
        assert server.seen == []
        assert room.clock.now() == NOW
        assert answer(room, 1) == passed("hook-1")


@pytest.mark.parametrize("round_id", [6, 8], ids=["older", "newer"])
def test_a_call_of_another_round_is_not_made(server: Script, round_id: int) -> None:
    """A late message, or one of before a loss of Redis."""
    room = a_room({"url": server.url})
    call(room, calls(room)[0].key, round_id)
    assert server.seen == []
    assert room.store.calls(REF, round_id) == HookCalls()


def test_a_hook_that_was_edited_is_not_called_by_an_older_message(server: Script) -> None:
    """17: a message is about the hook as it was written when it was sent."""
    server.then(reply(200))
    room = a_room({"url": server.url})
    (old,) = calls(room)
    edited = {"name": "hook-0", "url": f"{server.url}/stricter"}
    room.put(canary=worlds.a_manifest(webhooks=[edited]))
    call(room, old.key)
    assert server.seen == []
    assert answer(room) == passed()
    assert server.seen[0].path == "/stricter"


def test_hooks_of_other_types_are_no_calls_of_the_round(server: Script) -> None:
    """Whatever stands between them."""
    server.then(reply(200))
    room = a_room(
        {"url": f"{server.url}/a"},
        {"url": f"{server.url}/b", "type": "pre-rollout"},
        {"url": f"{server.url}/c", "type": "rollout"},
    )
    assert answer(room, 1) == passed("hook-2")
    assert server.seen[0].path == "/c"


def test_a_canary_that_is_gone_calls_nobody(server: Script) -> None:
    """Forgotten between question and call; nothing is left behind."""
    room = a_room({"url": server.url})
    (asked,) = calls(room)
    room.store.forget(REF)
    call(room, asked.key)
    assert server.seen == []
    assert room.store.calls(REF, ASKED.id) == HookCalls()


class Slow:
    """An endpoint whose answer is waited for while `meanwhile` happens."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.calls = 0
        self._meanwhile = meanwhile

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """An answer."""
        self.calls += 1
        self._meanwhile()
        return HookResult(call.name, call.type, ok=is_wanted())


def slowly(room: Room, meanwhile: Callable[[], object]) -> Slow:
    """A call during which `meanwhile` happens."""
    slow = Slow(meanwhile)
    a_caller(room, slow).call(Asked(REF, ASKED.id, calls(room)[0].key))
    return slow


def test_repeated_messages_call_a_hook_once_at_a_time_and_once_a_round() -> None:
    """7: neither while it is being called, nor after it has answered."""
    room = a_room({"url": "http://slow/"})
    again: list[int] = []
    slow = slowly(room, lambda: again.append(slowly(room, bool).calls))
    assert (slow.calls, again) == (1, [0])
    assert slowly(room, bool).calls == 0


def test_a_call_that_takes_long_is_not_made_by_another() -> None:
    """7: its worker renews the lease, be the hook as slow as it may."""
    room = a_room({"url": "http://slow/"})
    others: list[int] = []

    def minutes() -> None:
        for _ in range(20):
            before = room.store.calls(REF, ASKED.id).taken
            room.clock.advance(hooks.CALL_LEASE * 0.9)
            until(lambda: room.store.calls(REF, ASKED.id).taken != before)  # noqa: B023
            others.append(slowly(room, bool).calls)

    assert slowly(room, minutes).calls == 1
    assert others == [0] * 20


def test_a_silent_worker_loses_its_call_and_its_late_answer_is_dropped() -> None:
    """7: as if frozen for longer than its lease; the other's answer stands."""
    room = a_room({"url": "http://slow/"})
    (taken,) = a_caller(room, Slow(bool)).take(Asked(REF, ASKED.id, calls(room)[0].key))
    room.clock.advance(hooks.CALL_LEASE)
    assert slowly(room, bool).calls == 1
    assert not room.store.answer_call(taken.call, failed("late"))
    (kept,) = room.store.calls(REF, ASKED.id).answers.values()
    assert kept.ok


def test_no_attempt_is_made_for_a_round_that_is_over(server: Script) -> None:
    """7: a restarted rollout frees the worker at the next attempt."""
    room = a_room({"url": server.url, "retries": 5})

    def restart(handler: BaseHTTPRequestHandler) -> None:
        room.commit(replace(a_state(), round=None))
        reply(500)(handler)

    server.then(restart)
    assert answer(room) is not None
    assert len(server.seen) == 1


def test_an_answer_is_concluded_from_at_once() -> None:
    """Not when the beat comes by next: it may be away. An answer nobody waits for asks nothing."""
    room, bag = a_room({"url": "http://slow/"}), Bag()
    key = calls(room)[0].key
    for _ in range(2):
        a_caller(room, Slow(bool), bag).call(Asked(REF, ASKED.id, key))
    assert [(message.kind, message.ref) for message in bag.messages] == [("tick", REF)]


def test_an_answer_is_kept_when_the_queue_is_away() -> None:
    """The agenda asks for the tick then, as soon as the message counts as lost."""

    class Away(Bag):
        """A queue that cannot be reached."""

        def tick(self, refs: Sequence[CanaryRef], rank: Rank) -> None:
            """Fails."""
            raise errors.Transient(f"no broker for {refs}, {rank}")

    room = a_room({"url": "http://slow/"})
    key = calls(room)[0].key
    a_caller(room, Slow(bool), Away()).call(Asked(REF, ASKED.id, key))
    assert room.store.calls(REF, ASKED.id).answers[key].ok
    assert room.store.agenda()[REF] == room.clock.now() + MESSAGE_WAITS


# -- several calls in one job ----------------------------------------------------------------------

OTHERS = tuple(CanaryRef(namespace, "cart") for namespace in ("till", "wish", "list"))


class Counted(DirectStore):
    """A store that keeps which scripts travelled together."""

    trips: list[list[str]]

    def run_all(self, asked: Sequence[Invocation[Any]]) -> list[Any]:
        """As the store does."""
        self.trips.append([each.name for each in asked])
        return super().run_all(asked)


class Endpoints:
    """Web servers that answer at once, except those that the test lets hang."""

    def __init__(self, *hanging: str) -> None:
        self.over = threading.Event()
        self.called: list[tuple[str, str]] = []
        self._hanging = hanging

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """An answer."""
        assert is_wanted()
        namespace = str(call.body["namespace"])
        self.called.append((namespace, call.name))
        if namespace in self._hanging or call.name in self._hanging:
            self.over.wait(10)
        return HookResult(call.name, call.type, ok=True)


@pytest.fixture
def fleet() -> tuple[Room, tuple[Asked, ...]]:
    """Canaries of several namespaces that each wait for two webhooks, and all their calls."""
    room, asked = Room(), list[Asked]()
    room.store = Counted(room.store.client, room.clock.now)
    room.store.trips = []
    for ref in (REF, *OTHERS):
        metadata = {"name": ref.name, "namespace": ref.namespace}
        hooks_of = [{"name": name, "url": f"http://{name}/"} for name in ("gate", "load")]
        manifest = {**worlds.a_manifest(webhooks=hooks_of), "metadata": metadata}
        room.store.put_world(ref, World(canary=manifest, admission=ADMISSION))
        for version in range(ASKED.id):
            state = states.to_json(replace(a_state(), round=ASKED, applied="r2"))
            room.store.commit(ref, Commit(expected=version, state=state))
        canary = gather.accepted(room.store.read(ref).world)
        assert canary is not None
        wanted = hooks.hook_calls(canary, WebhookType.ROLLOUT, "Progressing", "r2")
        asked += [Asked(ref, ASKED.id, call.key) for call in wanted]
    room.store.trips.clear()
    return room, tuple(asked)


def threaded(room: Room, endpoints: Endpoints, bag: Bag) -> Caller:
    """A caller with threads."""
    threads = FairThreads("hooks", 16)
    return Caller(room.store, endpoints, bag, room.clock, threads, Leases(room.store))


def ticked(bag: Bag) -> list[CanaryRef]:
    """The canaries that were to be looked at."""
    return sorted(message.ref for message in bag.messages if message.kind == "tick")


def answered(room: Room, ref: CanaryRef) -> int:
    """How many answers of the round are kept."""
    return len(room.store.calls(ref, ASKED.id).answers)


def test_calls_of_one_job_are_looked_up_taken_and_answered_for_together(
    fleet: tuple[Room, tuple[Asked, ...]],
) -> None:
    """Eight calls of four canaries: one round trip each, and each canary is looked at once."""
    room, asked = fleet
    bag, endpoints = Bag(), Endpoints()
    caller = replace(threaded(room, endpoints, bag), together=10.0)
    caller.call(*asked)
    until(caller.threads.is_idle)
    trips = room.store.trips  # type: ignore[attr-defined]
    assert trips == [["read"] * 4, ["take_call"] * 8, ["answer_call"] * 8]
    assert ticked(bag) == sorted([REF, *OTHERS])
    assert {answered(room, ref) for ref in (REF, *OTHERS)} == {2}


@pytest.mark.parametrize("hanging", ["shop", "load"], ids=["all of one canary", "one of each"])
def test_a_call_that_hangs_delays_no_other_of_its_job(
    fleet: tuple[Room, tuple[Asked, ...]], hanging: str
) -> None:
    """The answers of the others are kept meanwhile, and whoever has all of them goes on."""
    room, asked = fleet
    bag, endpoints = Bag(), Endpoints(hanging)
    caller = threaded(room, endpoints, bag)
    caller.call(*asked)
    if hanging == "shop":
        until(lambda: ticked(bag) == sorted(OTHERS))
        assert answered(room, REF) == 0
    else:
        until(lambda: {answered(room, ref) for ref in (REF, *OTHERS)} == {1})
        assert ticked(bag) == []
    endpoints.over.set()
    until(caller.threads.is_idle)
    assert ticked(bag) == sorted([REF, *OTHERS])
    assert len(endpoints.called) == len(asked)


def test_a_canary_is_looked_at_when_the_last_of_its_hooks_has_answered(
    fleet: tuple[Room, tuple[Asked, ...]],
) -> None:
    """Not before: nothing is decided from some of the answers."""
    room, asked = fleet
    first, second = (each for each in asked if each.ref == REF)
    bag = Bag()
    caller = a_caller(room, Endpoints(), bag)
    caller.call(first)
    assert (ticked(bag), answered(room, REF)) == ([], 1)
    assert REF not in room.store.agenda()
    caller.call(second)
    assert (ticked(bag), answered(room, REF)) == ([REF], 2)
    assert room.store.begin(REF, Work.TICK, hooks.CALL_LEASE, if_due=True)


def test_a_rollback_that_is_signalled_waits_for_no_other_hook() -> None:
    """The canary is looked at with the first answer that calls its rollout off."""
    kind, bag = WebhookType.ROLLBACK, Bag()
    webhook = {"type": kind.value, "url": "http://ops/"}
    room = a_room(webhook, webhook, asked=replace(ASKED, type=kind))
    _, second = calls(room, kind)
    a_caller(room, Endpoints(), bag).call(Asked(REF, ASKED.id, second.key))
    assert (ticked(bag), answered(room, REF)) == ([REF], 1)


def test_all_calls_of_a_process_are_renewed_in_one_round_trip(
    fleet: tuple[Room, tuple[Asked, ...]],
) -> None:
    """Those that wait for a thread as well."""
    room, asked = fleet
    endpoints = Endpoints("gate", "load")
    caller = threaded(room, endpoints, Bag())
    caller = replace(caller, leases=Leases(room.store, every=0.01))
    caller.call(*asked)
    trips = room.store.trips  # type: ignore[attr-defined]
    until(lambda: trips.count(["take_call"] * 8) > 3)
    endpoints.over.set()
    until(caller.threads.is_idle)
    room.clock.advance(hooks.CALL_LEASE)
    assert {answered(room, ref) for ref in (REF, *OTHERS)} == {2}


def test_what_fails_for_one_canary_is_told_and_the_others_are_called(
    fleet: tuple[Room, tuple[Asked, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    """As if each had come by itself."""
    room, asked = fleet
    room.store.client.set(keys.STATE.of(REF), "of another type")
    endpoints, bag = Endpoints(), Bag()
    a_caller(room, endpoints, bag).call(*asked)
    assert ticked(bag) == sorted(OTHERS)
    assert {namespace for namespace, _ in endpoints.called} == {ref.namespace for ref in OTHERS}
    assert "cart.shop" in {vars(record).get("canary") for record in caplog.records}


@dataclass
class TwoSeconds:
    """A poster that takes two seconds for each answer."""

    clock: ManualClock
    ok: bool

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:  # noqa: ARG002
        """The answer, later."""
        self.clock.sleep(2)
        return HookResult(call.name, call.type, ok=self.ok, message="")


def test_calls_are_told_by_type_and_answer() -> None:
    """How long each took; neither its name nor its address."""
    canary = worlds.a_canary(webhooks=[{"name": "load", "url": "http://127.0.0.1/"}])
    (call,) = hooks.hook_calls(canary, WebhookType.ROLLOUT, "", "")
    clock, notes = ManualClock(NOW), Notes()
    for ok in (True, False):
        answer = Timed(TwoSeconds(clock, ok), clock, notes).post(call, lambda: True)
        assert answer == HookResult("load", WebhookType.ROLLOUT, ok=ok, message="")
    assert notes.counts[instruments.HOOKS] == {("rollout", "passed"): 1, ("rollout", "refused"): 1}
    assert notes.values[instruments.HOOKS] == [2, 2]
