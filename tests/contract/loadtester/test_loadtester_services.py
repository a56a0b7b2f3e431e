"""Tasks that other services run, nGrinder and Concord, over HTTP with servers that play them.

What those answer in their own time, and what they are asked, is the reference's.
"""

import base64
import email
import email.policy
import http.server
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from config.settings.loadtester import LoadTesterSettings
from loadtester import remote
from tests.contract.loadtester.test_loadtester_tasks import metrics, until
from tests.services import web
from tests.services.loadtesters import SHOP, LoadTester, Start, running

PASSWORD: Final = "pa55:word"
KEY: Final = "k3y"
GRINDER: Final = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()


@dataclass
class Service:
    """A server, what it was asked, and what it answers: status and body, the last one for good."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """The value of Authorization, and method and path."""
    form: dict[str, str] = field(default_factory=dict)

    def calls(self) -> list[str]:
        """Method and path of each call."""
        return [call for _, call in self.asked]


@pytest.fixture
def service() -> Iterator[Service]:
    """On a free port."""
    service = Service()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            call = f"{self.command} {self.path}"
            service.asked.append((self.headers.get("Authorization", ""), call))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if body:
                service.form = fields(self.headers["Content-Type"], body)
            answers = service.answers.get(call, [(404, {})])
            status, said = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(said if isinstance(said, bytes) else json.dumps(said).encode())

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - their names there

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with web.served(Handler) as port:
        service.url = f"http://127.0.0.1:{port}"
        yield service


def fields(content_type: str, body: bytes) -> dict[str, str]:
    """Those of a form of several parts."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_content()
        for part in form.iter_parts()
    }


COPY: Final = "POST /perftest/api/7/clone_and_start"
STATUS: Final = "GET /perftest/api/12/status"
STOP: Final = "PUT /perftest/api/12?action=stop"


def status(name: str) -> tuple[int, Any]:
    """The answer of nGrinder about a test."""
    return 200, {"status": [{"id": 12, "status_id": name, "name": "x"}]}


def grind(tester: LoadTester, service: Service, **metadata: str) -> tuple[int, str]:
    """Asks for a copy of test 7."""
    said = {
        "type": "ngrinder",
        "server": service.url,
        "clone": "7",
        "username": "ann",
        "passwd": base64.b64encode(PASSWORD.encode()).decode(),
        "pollInterval": "100ms",
    }
    return tester.ask("/", {**SHOP, "metadata": {**said, **metadata}})


def test_a_test_of_ngrinder_is_copied_started_and_followed(
    start: Start, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Once at a time for each canary; user and password are in no log line."""
    caplog.set_level("DEBUG")
    tester = start()
    service.answers = {
        COPY: [(200, {"id": 12})],
        STATUS: [status("SAVED"), (502, b"down"), status("TESTING"), status("FINISHED")],
        STOP: [(200, {})],
    }
    assert [grind(tester, service) for _ in range(3)] == [(202, "")] * 3
    until(lambda: 'end="succeeded",type="ngrinder"} 1.0' in metrics(tester), "it ends well")
    assert service.asked == [(GRINDER, call) for call in [COPY, *[STATUS] * 4]]
    text = "\n".join(str(vars(record)) for record in caplog.records)
    assert "nGrinder" in text
    for secret in (PASSWORD, GRINDER, base64.b64encode(PASSWORD.encode()).decode(), "ann"):
        assert secret not in text
    assert grind(tester, service) == (202, "")
    until(lambda: 'type="ngrinder"} 2.0' in metrics(tester), "another copy")


@pytest.mark.parametrize(
    ("answers", "error", "stops"),
    [
        ({COPY: [(401, {})]}, "POST /perftest/api/7/clone_and_start was answered 401", False),
        ({COPY: [(302, {})]}, "POST /perftest/api/7/clone_and_start was answered 302", False),
        ({COPY: [(200, b"<html>")]}, "POST /perftest/api/7/clone_and_start was answered", False),
        ({COPY: [(200, {"id": "12/../x"})]}, "the test was started without an id", False),
        ({STATUS: [status("STOP_BY_ERROR")]}, "the test ended as STOP_BY_ERROR", False),
        ({STATUS: [status("CANCELED")]}, "the test ended as CANCELED", False),
        ({STATUS: [status("UNKNOWN")]}, "the test ended as UNKNOWN", False),
        ({STATUS: [(200, {"status": []})]}, "the test has no status", True),
        ({STATUS: [(403, {})]}, "GET /perftest/api/12/status was answered 403", True),
    ],
)
def test_a_test_of_ngrinder_that_fails_is_told_in_the_log(
    start: Start,
    service: Service,
    *,
    caplog: pytest.LogCaptureFixture,
    answers: dict[str, Any],
    error: str,
    stops: bool,
) -> None:
    """One that runs on where nobody looks is stopped."""
    service.answers = {COPY: [(200, {"id": 12})], **answers}
    tester = start()
    assert grind(tester, service) == (202, "")
    until(lambda: 'end="failed",type="ngrinder"} 1.0' in metrics(tester), "it fails")
    (told,) = [vars(each)["error"] for each in caplog.records if each.message == "task ended"]
    assert told.startswith(error)
    assert (STOP in service.calls()) == stops
    assert not any("elsewhere" in call for call in service.calls())


def test_a_test_of_ngrinder_is_stopped_in_time_and_with_the_load_tester(service: Service) -> None:
    """It would go on for as long as its author had in mind."""
    service.answers = {COPY: [(200, {"id": 12})], STATUS: [status("TESTING")], STOP: [(200, {})]}
    with running(LoadTesterSettings(timeout=timedelta(seconds=0.4))) as tester:
        assert grind(tester, service) == (202, "")
        until(lambda: 'end="timed_out",type="ngrinder"} 1.0' in metrics(tester), "its time is up")
        assert service.calls().count(STOP) == 1
    with running(LoadTesterSettings()) as tester:
        assert grind(tester, service) == (202, "")
        until(lambda: service.calls().count(STATUS) > 5, "it is followed")
    assert service.calls().count(STOP) == 2


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"clone": ""}, "metadata without clone; required: server, clone, username, passwd"),
        ({"clone": "7/../8"}, "metadata clone: allowed: the number of a test"),
        ({"passwd": "se cret"}, "metadata passwd: allowed: a password in base64"),
        ({"pollInterval": "soon"}, "metadata pollInterval: allowed: a Go duration such as 30s"),
        ({"pollInterval": "0s"}, "metadata pollInterval: allowed: a Go duration such as 30s"),
        ({"server": "ftp://x"}, "metadata server: allowed: an http:// or https:// URL without"),
        ({"server": "http://a:b@x"}, "metadata server: allowed: an http:// or https:// URL"),
        ({"server": "http://x:99999"}, "metadata server: allowed: an http:// or https:// URL"),
    ],
)
def test_metadata_for_ngrinder_that_cannot_be_used_is_told(
    tester: LoadTester, service: Service, metadata: dict[str, str], text: str
) -> None:
    """400, and nobody is called."""
    code, told = grind(tester, service, **metadata)
    assert (code, told[: len(text)]) == (400, text)
    assert service.asked == []


RUN: Final = "POST /api/v1/process"
LOOK: Final = "GET /api/v1/process/ab-12"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder of keys as a Secret is mounted, by links; beside it, what is nobody's business."""
    (tmp_path / "token").write_text("token of the pod")
    folder = tmp_path / "keys"
    (folder / "..2026").mkdir(parents=True)
    (folder / "..2026" / "release").write_text(f"{KEY}\n")
    (folder / "empty").touch()
    (folder / "..data").symlink_to("..2026")
    (folder / "release").symlink_to("..data/release")
    (folder / "out").symlink_to("../token")
    (folder / "circle").symlink_to("circle")
    return folder


@pytest.fixture
def run(start: Start, service: Service, keys: Path) -> Callable[..., tuple[int, str]]:
    """Asks for a process of Concord, of a load tester that may call it."""
    tester = start(concord_servers=(service.url,), concord_keys=str(keys))

    def asked(**metadata: str) -> tuple[int, str]:
        return tester.ask("/", {**SHOP, "metadata": {**process(service, keys), **metadata}})

    return asked


def process(service: Service, keys: Path) -> dict[str, str]:
    """The metadata of a task."""
    return {
        "type": "concord",
        "server": service.url,
        "org": "o",
        "project": "p",
        "repo": "r",
        "entrypoint": "canary",
        "endpoint": "http://shop-canary/",
        "apiKeyPath": str(keys / "release"),
        "pollInterval": "1",
        "arguments.users": "20",
    }


def test_a_process_of_concord_is_started_and_followed(
    run: Callable[..., tuple[int, str]], service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The key is sent, and is in no log line; the answer waits for the end."""
    caplog.set_level("DEBUG")
    service.answers = {
        RUN: [(200, {"instanceId": "ab-12", "ok": True})],
        LOOK: [(200, {"status": "RUNNING"}), (200, {"status": "FINISHED"})],
    }
    began = time.monotonic()
    assert run(returnCmdOutput="true") == (200, "process ab-12 ended as FINISHED\n")
    assert time.monotonic() - began >= 1  # between the two looks
    assert service.asked == [(KEY, RUN), *[(KEY, LOOK)] * 2]
    assert service.form == {
        "org": "o",
        "project": "p",
        "repo": "r",
        "entryPoint": "canary",
        "arguments.endpoint": "http://shop-canary/",
        "arguments.users": "20",
    }
    assert KEY not in "\n".join(str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({RUN: [(401, {"error": KEY})]}, "POST /api/v1/process was answered 401"),
        ({RUN: [(200, {"instanceId": "../x"})]}, "the process was started without an id"),
        ({LOOK: [(200, {"status": "FAILED"})]}, "process ab-12 ended as FAILED"),
        ({LOOK: [(200, {"status": "CANCELLED"})]}, "process ab-12 ended as CANCELLED"),
        ({LOOK: [(200, {})]}, "process ab-12 has no status"),
        ({LOOK: [(404, {})]}, "GET /api/v1/process/ab-12 was answered 404"),
        ({RUN: [(200, b" " * (remote.LARGEST_ANSWER + 1))]}, "POST /api/v1/process: no answer"),
    ],
)
def test_a_process_of_concord_that_fails_is_told(
    run: Callable[..., tuple[int, str]], service: Service, answers: dict[str, Any], text: str
) -> None:
    """500 with the text."""
    service.answers = {RUN: [(200, {"instanceId": "ab-12"})], **answers}
    code, told = run()
    assert (code, told[: len(text)]) == (500, text)


def test_an_argument_is_sent_as_one_whatever_is_in_it(
    run: Callable[..., tuple[int, str]], service: Service
) -> None:
    """Values make no parts of their own; names that might are refused."""
    service.answers = {RUN: [(500, {})]}
    run(**{"arguments.b": '--\r\nContent-Disposition: form-data; name="org"\r\n\r\nx'})
    assert len(service.form) == 7
    assert service.form["org"] == "o"


@pytest.mark.parametrize(
    ("metadata", "code", "text"),
    [
        ({"org": ""}, 400, "metadata without org; required: server, org, project, repo, entry"),
        ({"arguments.endpoint": "x"}, 400, "metadata arguments.endpoint: the endpoint is named"),
        ({'arguments.a"\r\n\r\nx': "1"}, 400, "metadata arguments: allowed: names of letters"),
        ({"pollInterval": "0"}, 400, "metadata pollInterval: allowed: whole seconds from 1"),
        ({"server": "http://127.0.0.1:1"}, 403, "metadata server: allowed: http://127.0.0.1:"),
        ({"apiKeyPath": "../token"}, 400, "metadata apiKeyPath: allowed: a file with a key in "),
        ({"apiKeyPath": "/etc/passwd"}, 400, "metadata apiKeyPath: allowed: a file with a key"),
        ({"apiKeyPath": "{keys}/../token"}, 400, "metadata apiKeyPath: allowed: a file with a"),
        ({"apiKeyPath": "{keys}/out"}, 400, "metadata apiKeyPath: allowed: a file with a key"),
        ({"apiKeyPath": "{keys}/circle"}, 400, "metadata apiKeyPath: allowed: a file with a"),
        ({"apiKeyPath": "{keys}/empty"}, 400, "metadata apiKeyPath: allowed: a file with a"),
        ({"apiKeyPath": "{keys}/..2026"}, 400, "metadata apiKeyPath: allowed: a file with a"),
        ({"apiKeyPath": "{keys}\0"}, 400, "metadata apiKeyPath: allowed: a file with a key"),
    ],
)
def test_a_payload_chooses_no_server_and_no_file_of_its_own(
    run: Callable[..., tuple[int, str]],
    service: Service,
    keys: Path,
    *,
    metadata: dict[str, str],
    code: int,
    text: str,
) -> None:
    """Whatever is in metadata; nobody is called."""
    chosen = {name: value.replace("{keys}", str(keys)) for name, value in metadata.items()}
    status, told = run(**chosen)
    assert (status, told[: len(text)]) == (code, text)
    assert service.asked == []


@pytest.mark.parametrize("settings", [{}, {"concord_keys": "/"}, {"concord_servers": ("x",)}])
def test_concord_is_turned_off_until_the_operator_names_servers_and_keys(
    start: Start, service: Service, keys: Path, settings: dict[str, Any]
) -> None:
    """With the reason."""
    told = start(**settings).ask("/", {**SHOP, "metadata": process(service, keys)})
    assert told == (
        403,
        (
            "type concord is turned off, as it sends a file of the load tester to a server: "
            "its operator names both with --concord-servers and --concord-keys"
        ),
    )
    assert service.asked == []
