"""How requests get to an API server: connections kept, names and certificates proven, proxies.

Against a local server. What the requests are and what becomes of the answers: `test_kube_http`.
"""

import base64
import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from clients import errors
from clients.clock import SystemClock
from clients.kube import connect, resources
from clients.kube.rest import KubeHttp
from clients.kube.transport import Limits
from tests.patience import until
from tests.unit.clients import scripted
from tests.unit.clients.scripted import Script, reply, reset

ONCE: Final = Limits(
    connect=timedelta(seconds=10), read=timedelta(seconds=10), retries=0, max_body=1_000_000
)
OK: Final = reply(200, json.dumps({"metadata": {"name": "shop"}}))
KIND: Final = resources.VIRTUAL_SERVICES

WRITES: Final[dict[str, Callable[[KubeHttp], Any]]] = {
    "create": lambda door: door.create(KIND, "prod", {"metadata": {"name": "shop"}}),
    "replace": lambda door: door.replace(KIND, "prod", "shop", {"metadata": {"name": "shop"}}),
    "patch": lambda door: door.patch(KIND, "prod", "shop", {"spec": {}}),
    "delete": lambda door: door.delete(KIND, "prod", "shop"),
}


def get(door: KubeHttp) -> Any:
    """One read."""
    return door.get(KIND, "prod", "shop")


@pytest.fixture
def script() -> Iterator[Script]:
    """The server's script."""
    with scripted.serving() as served:
        yield served


@pytest.fixture
def door(script: Script) -> Iterator[KubeHttp]:
    """The door to the scripted server, trying nothing again."""
    connected = connect.connect(role="test", url=script.url, limits=ONCE)
    yield connected
    connected.close()


# --- kept connections


@pytest.mark.parametrize("verb", WRITES)
def test_a_write_is_sent_once_though_a_kept_connection_breaks(
    script: Script, door: KubeHttp, verb: str
) -> None:
    """The server has it, and ends the connection without an answer: it may have been done."""
    script.then(OK, reset, OK)
    get(door)
    with pytest.raises(errors.Transient, match="the connection broke"):
        WRITES[verb](door)
    assert len(script.seen) == 2


@pytest.mark.parametrize("verb", WRITES)
def test_a_write_does_not_meet_a_connection_that_the_server_has_closed(
    script: Script, door: KubeHttp, verb: str
) -> None:
    """One that was closed while it was idle is noticed before anything is sent."""

    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        OK(handler)
        handler.close_connection = True

    script.then(hang_up, OK)
    get(door)
    until(lambda: script.closed == 1)
    WRITES[verb](door)
    assert len(script.seen) == 2


def test_a_read_is_sent_again_when_a_kept_connection_breaks(script: Script, door: KubeHttp) -> None:
    """At once, and once: the server may have closed it at that very moment."""
    script.then(OK, reset, OK)
    get(door)
    assert get(door)["metadata"]["name"] == "shop"
    assert len(script.seen) == 3


def test_no_call_outlives_its_deadline(script: Script, door: KubeHttp) -> None:
    """Though the answer goes on coming, and a call without a deadline would be waited for."""
    script.then(scripted.drip(script.over))
    begin = time.monotonic()
    with pytest.raises(errors.Transient, match="timed out"):
        get(door.until(SystemClock().monotonic() + 0.2))
    assert time.monotonic() - begin < ONCE.read.total_seconds()


def test_an_endless_answer_of_unknown_length_is_not_kept(script: Script) -> None:
    """The limit of an answer's size holds where no header says how large it will be."""
    limits = replace(ONCE, max_body=1000)
    door = connect.connect(role="test", url=script.url, limits=limits)
    script.then(scripted.stream(*("x" * 300 for _ in range(10))))
    with pytest.raises(errors.TooLarge, match="larger than 1000 bytes"):
        get(door)


# --- TLS


@dataclass(frozen=True)
class Identity:
    """A certificate that nobody signed but itself, for 127.0.0.1 and `shop.example`."""

    certificate: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        """TLS of a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    @property
    def data(self) -> str:
        """The certificate as a kubeconfig holds it."""
        return base64.b64encode(self.certificate.read_bytes()).decode()


def _identity(folder: Path, names: str) -> Identity:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on this machine; `apt-get install openssl` brings it")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=shop"]
    command += ["-addext", f"subjectAltName={names}", "-days", "1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return Identity(certificate, key)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """The server's, for the address that it is reached at."""
    return _identity(tmp_path_factory.mktemp("server"), "IP:127.0.0.1")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """Somebody else's, for another name."""
    return _identity(tmp_path_factory.mktemp("other"), "DNS:shop.example")


@pytest.fixture
def secure(identity: Identity) -> Iterator[Script]:
    """The script of a server with TLS."""
    with scripted.serving(identity.server()) as served:
        served.then(OK)
        yield served


def knocking(folder: Path, url: str, user: Any = None, **cluster: Any) -> KubeHttp:
    """The door to the server at `url` as a kubeconfig describes it."""
    kubeconfig = folder / "kubeconfig"
    config = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    return connect.connect(role="test", kubeconfig=kubeconfig, limits=ONCE)


def test_the_certificate_authority_of_the_kubeconfig_is_trusted(
    secure: Script, identity: Identity, tmp_path: Path
) -> None:
    """As data and as a file."""
    get(knocking(tmp_path, secure.url, **{"certificate-authority-data": identity.data}))
    get(knocking(tmp_path, secure.url, **{"certificate-authority": str(identity.certificate)}))
    assert len(secure.seen) == 2


def test_nobody_else_is_trusted_then(
    secure: Script,
    identity: Identity,
    other: Identity,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even whom the system trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.certificate))
    door = knocking(tmp_path, secure.url, **{"certificate-authority-data": other.data})
    with pytest.raises(errors.Permanent, match=r"certificate is not trusted: self.signed"):
        get(door)
    assert secure.seen == []


def test_without_an_authority_the_system_s_are_trusted(
    secure: Script, identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ones that everything else here trusts, wherever libcurl was built."""
    with pytest.raises(errors.Permanent, match="certificate is not trusted"):
        get(knocking(tmp_path, secure.url))
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.certificate))
    get(knocking(tmp_path, secure.url))
    assert len(secure.seen) == 1


def test_a_certificate_for_another_name_is_not_trusted(other: Identity, tmp_path: Path) -> None:
    """Unless the kubeconfig has the server prove that name; it is asked for at its own, still."""
    trusting = {"certificate-authority-data": other.data}
    with scripted.serving(other.server()) as server:
        server.then(OK)
        with pytest.raises(errors.Permanent, match="certificate is not trusted"):
            get(knocking(tmp_path, server.url, **trusting))
        get(knocking(tmp_path, server.url, **trusting, **{"tls-server-name": "shop.example"}))
    assert [each.headers["Host"] for each in server.seen] == [server.url.removeprefix("https://")]


def test_verification_can_be_turned_off(secure: Script, tmp_path: Path) -> None:
    """`insecure-skip-tls-verify` lets anybody answer."""
    get(knocking(tmp_path, secure.url, **{"insecure-skip-tls-verify": True}))
    assert len(secure.seen) == 1


def test_the_client_s_certificate_is_shown(
    identity: Identity, other: Identity, tmp_path: Path
) -> None:
    """A server that asks for one serves who has it, and nobody else."""
    context = identity.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(other.certificate)
    user = {"client-certificate": str(other.certificate), "client-key": str(other.key)}
    trusting = {"certificate-authority-data": identity.data}
    with scripted.serving(context) as server:
        server.then(OK)
        get(knocking(tmp_path, server.url, user, **trusting))
        with pytest.raises(errors.ClientError):
            get(knocking(tmp_path, server.url, **trusting))
    assert len(server.seen) == 1


def test_a_server_without_tls_is_told(script: Script, tmp_path: Path) -> None:
    """No other attempt will have it speak TLS."""
    script.then(OK)
    door = knocking(tmp_path, script.url.replace("http", "https"))
    with pytest.raises(errors.Permanent, match="TLS failed"):
        get(door)


# --- proxies


def test_the_environment_s_proxy_is_used_but_for_the_names_it_excepts(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`http_proxy` and `no_proxy`, as everywhere."""
    script.then(OK)
    with ExitStack() as stack:
        proxy = stack.enter_context(scripted.serving())
        proxy.then(OK)
        for name in "http_proxy", "HTTP_PROXY":
            monkeypatch.setenv(name, proxy.url)
        get(knocking(tmp_path, script.url))
        for name in "no_proxy", "NO_PROXY":
            monkeypatch.setenv(name, "127.0.0.1")
        get(knocking(tmp_path, script.url))
    assert [each.path.startswith("http://") for each in proxy.seen] == [True]
    assert [each.path.startswith("/") for each in script.seen] == [True]


def test_a_proxy_that_refuses_is_transient(secure: Script, script: Script, tmp_path: Path) -> None:
    """It is not the API server who said that."""
    script.then(reply(403, "no"))
    with pytest.raises(errors.Transient, match="the proxy failed"):
        get(knocking(tmp_path, secure.url, **{"proxy-url": script.url}))
    assert [each.method for each in script.seen] == ["CONNECT"]
