"""Every form of Redis URL that settings admit carries messages."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from clients.redis import server
from config.ranks import Rank
from config.refs import CanaryRef
from config.settings.groups import RedisSettings
from config.settings.settings import Settings
from tasks import app as apps
from tasks import broker, publishing, transport
from tests.services import processes
from tests.services import valkey as valkeys

REF = CanaryRef("shop", "cart")
LOCAL = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


@contextlib.contextmanager
def on_a_socket(folder: Path) -> Iterator[str]:
    """The URL of a server that listens on a Unix socket alone."""
    path = folder / "valkey.sock"
    binary = valkeys.server_binary()
    assert binary is not None
    command: list[str | Path] = [binary, "--port", "0", "--unixsocket", path, "--dir", folder]
    with processes.running("socket", command, folder, ready=path.exists):
        yield f"unix://{path}?db=3"


@contextlib.contextmanager
def behind_sentinel(folder: Path) -> Iterator[str]:
    """The URL of a server with a password that is known to a Sentinel as `mine`."""
    binary = valkeys.server_binary()
    assert binary is not None
    port, watching = processes.free_ports(2)
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {watching}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor mine 127.0.0.1 {port} 1\nsentinel auth-pass mine secret\n"
    )
    server: list[str | Path] = [binary, "--port", str(port), *LOCAL]
    server += ["--dir", folder, "--requirepass", "secret"]
    sentinel: list[str | Path] = [binary, config, "--sentinel"]
    url = f"redis+sentinel://:secret@127.0.0.1:{watching}/mine/2"
    with (
        processes.running("master", server, folder, ready=lambda: True),
        processes.running("sentinel", sentinel, folder, ready=lambda: answers(url)),
    ):
        yield url


def answers(url: str) -> bool:
    """Whether the server at `url` can be reached."""
    with contextlib.closing(server.connect(url)) as client, contextlib.suppress(Exception):
        return bool(client.ping())
    return False


@pytest.mark.parametrize("serve", [on_a_socket, behind_sentinel])
def test_messages_travel_through(
    serve: Callable[[Path], AbstractContextManager[str]], tmp_path: Path
) -> None:
    """The URL that finds the state also finds the queue, in the same database."""
    with serve(tmp_path) as url:
        settings = replace(Settings(), redis=RedisSettings(url=SecretStr(url)))
        app = apps.make_app(settings)
        publishing.CeleryDispatcher(app).tick([REF], Rank.ROLLBACK)
        with contextlib.closing(server.connect(url)) as client:
            assert client.llen("cq:analysis") == 1
        with app.connection() as connection:
            assert isinstance(connection.default_channel, transport.OneClient)
        app.close()


@pytest.mark.parametrize(
    "url", ["rediss://:secret@127.0.0.1:1/0", "rediss+sentinel://:secret@127.0.0.1:1/mine/0"]
)
def test_tls_without_a_word_about_certificates_means_trusted_ones(url: str) -> None:
    """A worker over TLS starts, and does not take just any server for its own."""
    settings = replace(Settings(), redis=RedisSettings(url=SecretStr(url)))
    app = apps.make_app(settings)
    demanded = app.connection().ssl
    assert demanded in ({"ssl_cert_reqs": ssl.CERT_REQUIRED}, {"ssl_cert_reqs": "required"})
    app.close()


def test_a_broker_shows_no_password() -> None:
    """Neither printed nor in the refusal of a URL of no known form."""
    assert "secret" not in repr(broker.of("redis+sentinel://:secret@one:1/mine/0"))
    with pytest.raises(ValueError, match="scheme") as refused:
        broker.of("http://:secret@one/")
    assert "secret" not in str(refused.value)
