"""The HTTP API as Flagger's users know it, path by path; expected values are the reference's.

What tasks do as processes is test_loadtester_tasks.py's.
"""

import hashlib
import http.client
import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from clients.clock import ManualClock
from clients.gates import Gate, GateId, GateKind, MemoryGates
from config.refs import ObjectRef
from loadtester.askers import Askers
from tests.services.loadtesters import SHOP, LoadTester, Start

ABSENT: Final = f"{shutil.which('cat')}: /no/such: No such file or directory"
OTHER: Final = {"name": "other", "namespace": "prod"}
"""A canary whose gates nobody opens."""


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/healthz", (200, "OK")),
        ("/gate/approve", (200, "OK")),
        ("/gate/halt", (403, "Forbidden")),
        ("/gate/check", (403, "Forbidden")),
        ("/rollback/check", (403, "Forbidden")),
        ("/gate/close", (202, "")),
        ("/rollback/close", (202, "")),
        ("/", (400, "metadata not found in payload")),
        ("/anything/else", (400, "metadata not found in payload")),
    ],
)
def test_paths_statuses_and_texts(
    start: Start, path: str, answer: tuple[int, str], method: str
) -> None:
    """Whatever the method."""
    tester = start()
    assert tester.ask(path, OTHER, method) == answer


@pytest.mark.parametrize("kind", ["gate", "rollback"])
def test_a_gate_is_closed_until_it_is_opened_and_opened_until_it_is_closed(
    start: Start, kind: str
) -> None:
    """Each canary has one of each kind, which know nothing of each other."""
    tester = start()
    other_kind = {"gate": "rollback", "rollback": "gate"}[kind]
    approved, forbidden = (200, "Approved"), (403, "Forbidden")
    assert tester.ask(f"/{kind}/check", SHOP) == forbidden
    assert tester.ask(f"/{kind}/open", SHOP) == (202, "")
    assert [tester.ask(f"/{kind}/check", SHOP) for _ in range(3)] == [approved] * 3
    assert tester.ask(f"/{other_kind}/check", SHOP) == forbidden
    assert tester.ask(f"/{kind}/check", OTHER) == forbidden
    assert tester.ask(f"/{kind}/close", SHOP) == (202, "")
    assert tester.ask(f"/{kind}/check", SHOP) == forbidden


@pytest.mark.parametrize(
    "path", ["/gate/check", "/gate/open", "/rollback/check", "/rollback/close"]
)
@pytest.mark.parametrize("body", ["", "{", "[]", '{"name": 1}', "x" * 100_000])
def test_what_is_no_payload_is_answered_400_without_a_text(
    tester: LoadTester, path: str, body: str
) -> None:
    """At every path that reads one; the others answer whatever is sent."""
    assert tester.ask(path, body) == (400, "")
    assert tester.ask("/", body) == (400, "")
    assert tester.ask("/gate/approve", body[:100]) == (200, "OK")


def test_a_body_that_never_comes_keeps_nobody(tester: LoadTester) -> None:
    """Others are answered meanwhile."""
    connection = http.client.HTTPConnection(urlsplit(tester.url).netloc)
    connection.putrequest("POST", "/gate/check")
    connection.putheader("Content-Length", "100")
    connection.endheaders()
    assert tester.ask("/healthz") == (200, "OK")
    connection.close()


def test_a_gate_needs_a_name(tester: LoadTester) -> None:
    """A payload without one would open a gate of nobody's."""
    assert tester.ask("/gate/open", {"name": "shop"}) == (400, "name and namespace are required")


@pytest.mark.parametrize("path", ["/gate/check", "/gate/open", "/rollback/open", "/"])
def test_other_namespaces_are_forbidden(start: Start, path: str) -> None:
    """The expression may be found anywhere in the name, as with Flagger."""
    tester = start(namespaces=re.compile("team-a|prod$"))

    def status(namespace: str) -> tuple[int, str]:
        return tester.ask(path, {**SHOP, "namespace": namespace, "metadata": {"cmd": "true"}})

    assert status("production") == (403, "Forbidden")
    assert status("") == (403, "Forbidden")
    for admitted in ("prod", "my-prod", "x-team-a-y"):
        assert status(admitted) != (403, "Forbidden") or path.endswith("check")


@pytest.mark.parametrize(
    ("metadata", "answer"),
    [
        ({}, (400, "metadata not found in payload")),
        (None, (400, "metadata not found in payload")),
        ({"type": "cmd"}, (400, "cmd not found in metadata")),
        ({"logCmdOutput": "true"}, (400, "cmd not found in metadata")),
        ({"type": "bash", "cmd": "  "}, (400, "cmd not found in metadata")),
        ({"cmd": "true"}, (202, "")),
        ({"type": "cmd", "cmd": "true"}, (202, "")),
        ({"type": "cmd", "cmd": "false"}, (202, "")),
        ({"type": "bash", "cmd": "true"}, (200, "")),
        ({"type": "bash", "cmd": "echo x"}, (200, "")),
        ({"type": "bash", "cmd": "echo x", "returnCmdOutput": "true"}, (200, "x\n")),
        ({"type": "bash", "cmd": "false"}, (500, "command false failed: : exit status 1")),
        (
            {"type": "bash", "cmd": "echo a | grep b"},
            (500, "command echo a | grep b failed: : exit status 1"),
        ),
        (
            {"type": "bash", "cmd": "cat /no/such"},
            (500, f"command cat /no/such failed: {ABSENT}\n: exit status 1"),
        ),
    ],
)
def test_tasks_and_their_answers(
    tester: LoadTester, metadata: Any, answer: tuple[int, str]
) -> None:
    """The texts that the reference pins, letter by letter."""
    assert tester.ask("/", {**SHOP, "metadata": metadata}) == answer


def test_an_unknown_type_is_told_with_the_known_ones(tester: LoadTester) -> None:
    """Flagger aborts the connection instead."""
    text = "unknown task type x; allowed: bash, cmd, concord, helm, helmv3, kubectl, ngrinder"
    assert tester.task("x", "true") == (400, text)


@pytest.mark.parametrize("kind", ["cmd", "bash"])
@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("rm -rf /", (403, "program 'rm' is not allowed; allowed: ")),
        ("/usr/bin/curl x", (403, "program '/usr/bin/curl' is not allowed")),
        ("echo a | sh", (403, "program 'sh' is not allowed")),
        ("true && true", (400, "command needs a shell: && (a list of commands)")),
        ("echo $HOME", (400, "command needs a shell: $ (an expansion)")),
        ("echo 'a", (400, "command cannot be read: a quotation mark ' without its other half")),
        ("echo a\0b", (400, "command cannot be read: a null character")),
        ("ghz x", (400, "program 'ghz' is not installed beside the load tester")),
        ("hey -h2 http://x", (400, "hey: option -h2 is unknown to the embedded load generator")),
    ],
)
def test_a_command_that_cannot_be_run_is_refused_at_once(
    start: Start, tmp_path: Path, kind: str, command: str, answer: tuple[int, str]
) -> None:
    """Before anything is started, also of a task in the background: it is its author who asks."""
    for name in ("echo", "true"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    tester = start(environ={"PATH": str(tmp_path)})
    status, text = tester.task(kind, command)
    assert (status, text[: len(answer[1])]) == answer
    assert f'refused_total{{code="{status}"}} 1.0' in tester.ask("/metrics", method="GET")[1]


def test_helm_and_kubectl_get_their_words_without_a_shell(start: Start, tmp_path: Path) -> None:
    """Split at blanks, quotation marks and all."""
    for name in ("helm", "kubectl"):
        (tmp_path / name).write_text(f'#!/bin/sh\nfor each; do echo "{name} <$each>"; done\n')
        (tmp_path / name).chmod(0o755)
    tester = start(environ={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    command = "test my-app -n 'my ns'"
    for kind, name in (("helm", "helm"), ("helmv3", "helm"), ("kubectl", "kubectl")):
        words = ["test", "my-app", "-n", "'my", "ns'"]
        expected = "".join(f"{name} <{word}>\n" for word in words)
        assert tester.task(kind, command, returnCmdOutput="true") == (200, expected)
        assert tester.task(kind, command) == (200, "")


NAMED: Final = {**SHOP, "metadata": {"user": "ann", "reason": "looks\ngood" + "!" * 300}}


@pytest.fixture
def moment() -> ManualClock:
    """Noon of the first of March."""
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


def test_gates_are_listed_with_who_when_and_why(start: Start, moment: ManualClock) -> None:
    """A proxy's word for who it was counts before their own; nobody's word can be any length."""
    tester = start(gates=MemoryGates(moment.now))
    assert tester.ask("/gate/open", NAMED) == (202, "")
    assert tester.ask("/rollback/open", NAMED, **{"X-Forwarded-User": "bob"}) == (202, "")
    assert tester.ask("/rollback/close", SHOP) == (202, "")
    status, text = tester.ask("/gate", method="GET")
    common = {**SHOP, "address": "127.0.0.1", "at": "2026-03-01T12:00:00Z", "asked": None}
    why = ("looks good" + "!" * 300)[:200]
    assert status == 200
    assert json.loads(text) == {
        "gates": [
            {**common, "kind": "gate", "state": "open", "who": "ann", "why": why},
            {**common, "kind": "rollback", "state": "closed", "who": "", "why": ""},
        ]
    }


@pytest.mark.parametrize("change", ["open", "close"])
@pytest.mark.parametrize("kind", ["gate", "rollback"])
def test_a_gate_that_only_others_ask_for_is_told(start: Start, kind: str, change: str) -> None:
    """A slip of the pen shows where it is made. Nobody is told who may be the first."""
    tester = start()
    other_kind = {"gate": "rollback", "rollback": "gate"}[kind]
    misspelt = {**SHOP, "name": "sh0p"}
    for name in ("cart", "shop"):
        assert tester.ask(f"/{other_kind}/check", {**SHOP, "name": name})[0] == 403
        assert tester.ask(f"/{kind}/{change}", misspelt) == (202, "")
    for name in ("cart", "shop"):
        tester.ask(f"/{kind}/check", {**SHOP, "name": name})
    assert tester.ask(f"/{kind}/{change}", SHOP) == (202, "")
    remark = "no canary sh0p.prod has asked for this gate since the load tester started; "
    remark += "others have: shop.prod, cart.prod\n"
    assert tester.ask(f"/{kind}/{change}", misspelt) == (202, remark)
    assert tester.ask(f"/{kind}/check", misspelt)[0] == {"open": 200, "close": 403}[change]
    assert tester.ask(f"/{kind}/{change}", misspelt) == (202, "")


def test_gates_are_listed_with_when_they_were_asked_for(start: Start, moment: ManualClock) -> None:
    """Also those that nobody has opened yet: so the name is found that was meant."""
    tester = start(gates=MemoryGates(moment.now), askers=Askers(moment.now))
    tester.ask("/gate/open", {**SHOP, "name": "sh0p"})
    moment.advance(timedelta(minutes=1))
    tester.ask("/gate/check", SHOP)
    listed = json.loads(tester.ask("/gate", method="GET")[1])["gates"]
    told = [tuple(each[key] for key in ("name", "state", "at", "asked")) for each in listed]
    assert told == [
        ("sh0p", "open", "2026-03-01T12:00:00Z", None),
        ("shop", "closed", None, "2026-03-01T12:01:00Z"),
    ]


def test_gates_of_other_namespaces_are_not_listed(start: Start, moment: ManualClock) -> None:
    """Whoever may not ask about them does not hear of them."""
    gates = MemoryGates(moment.now)
    for namespace in ("dev", "prod"):
        gate = GateId(GateKind.GATE, ObjectRef(namespace, "shop"))
        gates.put(Gate(gate, is_open=True, who="", address="", why=""))
    tester = start(gates=gates, namespaces=re.compile("^dev$"))
    listed = json.loads(tester.ask("/gate", method="GET")[1])["gates"]
    assert [gate["namespace"] for gate in listed] == ["dev"]


def test_changing_a_gate_takes_the_token_where_there_is_one(start: Start, tmp_path: Path) -> None:
    """Asking takes none: webhooks of canaries have none. A new token counts at once."""
    file = tmp_path / "token"
    file.write_text("secret\n")
    tester = start(token_file=str(file))
    for path in ("/gate/open", "/gate/close", "/rollback/open", "/rollback/close"):
        for header in ("", "Bearer wrong", "secret", "Bearer secret2", "Bearer ", "Bearer \xe9"):
            assert tester.ask(path, SHOP, Authorization=header) == (401, "Unauthorized")
    assert tester.ask("/gate/check", SHOP) == (403, "Forbidden")
    assert tester.ask("/gate/open", SHOP, Authorization="Bearer secret") == (202, "")
    assert tester.ask("/gate/check", SHOP) == (200, "Approved")
    file.write_text("another")
    assert tester.ask("/gate/close", SHOP, Authorization="Bearer secret") == (401, "Unauthorized")
    assert tester.ask("/gate/close", SHOP, Authorization="Bearer another") == (202, "")
    for broken in ("", " \n"):
        file.write_text(broken)
        assert tester.ask("/gate/open", SHOP, Authorization="Bearer ") == (401, "Unauthorized")
    file.unlink()
    assert tester.ask("/gate/open", SHOP, Authorization="Bearer another") == (
        503,
        "the token cannot be read",
    )


def test_a_token_may_be_kept_as_its_digest(start: Start, tmp_path: Path) -> None:
    """Tasks can read what the load tester can: `cat` shows them no token then."""
    file = tmp_path / "token"
    file.write_text(f"sha256:{hashlib.sha256(b'secret').hexdigest().upper()}\n")
    tester = start(token_file=str(file))
    for header in ("Bearer other", f"Bearer {file.read_text().strip()}", "secret", "Bearer "):
        assert tester.ask("/gate/open", SHOP, Authorization=header) == (401, "Unauthorized")
    assert tester.ask("/gate/open", SHOP, Authorization="Bearer secret") == (202, "")


def test_metrics_of_the_process_and_of_its_tasks(start: Start) -> None:
    """What ran, how it ended, what was refused."""
    tester = start()
    tester.task("bash", "true")
    tester.task("bash", "false")
    tester.task("bash", "rm x")
    status, text = tester.ask("/metrics", method="GET")
    assert status == 200
    for line in (
        'coalmine_loadtester_tasks_total{end="succeeded",type="bash"} 1.0',
        'coalmine_loadtester_tasks_total{end="failed",type="bash"} 1.0',
        'coalmine_loadtester_tasks_running{mode="blocking"} 0.0',
        'coalmine_loadtester_refused_total{code="403"} 1.0',
    ):
        assert line in text.splitlines()
    assert "process_resident_memory_bytes" in text


def test_a_gate_whose_name_is_none_is_not_kept(start: Start) -> None:
    """R-71: thousands of names of 60 KB each would have filled the Redis that keeps gates."""
    tester = start()
    assert tester.ask("/gate/open", {"name": "n" * 253, "namespace": "n" * 253}) == (202, "")
    for body in ({"name": "n" * 254, "namespace": "x"}, {"name": "x", "namespace": "n" * 60_000}):
        refusal = (400, "name and namespace have at most 253 characters")
        assert tester.ask("/gate/open", body) == tester.ask("/rollback/close", body) == refusal
    assert len(tester.service.gates.all()) == 1
