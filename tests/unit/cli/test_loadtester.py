"""The options of `coalmine loadtester`; what it does is in tests/contract/loadtester."""

import socket
from datetime import timedelta

import pytest

from cli import main as command_line
from cli import options
from config.settings import loadtester
from config.settings.loadtester import LoadTesterSettings
from config.settings.settings import FLAGS

NAMES = [flag.name for flag in (*FLAGS, *loadtester.FLAGS)]


def test_a_command_line_of_flaggers_can_be_pasted() -> None:
    """Its three options, with one dash; ours have defaults."""
    words = ["loadtester", "-port=8080", "-log-level=debug", "-timeout=2h", "-shell"]
    given = command_line.parser().parse_args(options.with_two_dashes(words, NAMES))
    environ = {"COALMINE_LOADTESTER_ALLOW": "hey, curl", "COALMINE_LISTEN_PORT": "1"}
    settings = LoadTesterSettings.from_environ(
        options.environment(given, environ, loadtester.FLAGS)
    )
    assert settings == LoadTesterSettings(
        port=8080,
        log_level="debug",
        timeout=timedelta(hours=2),
        with_shell=True,
        allowed=("hey", "curl"),
    )


def test_no_interpreter_is_allowed_by_default() -> None:
    """Nor what runs whatever it is given as its very purpose."""
    allowed = set(LoadTesterSettings().allowed)
    assert {"hey", "wrk", "ghz", "curl", "grep", "grpc_health_probe", "helm", "kubectl"} <= allowed
    assert not allowed & {"sh", "bash", "env", "xargs", "find", "awk", "perl", "python", "git"}


def test_options_that_cannot_be_used_are_all_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is allowed, on standard error, and exit code 2."""
    monkeypatch.setenv("COALMINE_LOADTESTER_BACKGROUND_TASKS", "0")
    words = ["--port=x", "--timeout", "soon", "--namespace-regexp=(", "--shell=maybe"]
    assert command_line.main(["loadtester", *words, "--redis-url=http://:pa55@x"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": allowed")[0] for line in lines] == [
        'coalmine: --port (COALMINE_LISTEN_PORT): "x"',
        "coalmine: --redis-url (COALMINE_REDIS_URL): (hidden)",
        'coalmine: --timeout (COALMINE_LOADTESTER_TIMEOUT): "soon"',
        'coalmine: --namespace-regexp (COALMINE_LOADTESTER_NAMESPACE_REGEXP): "("',
        'coalmine: --shell (COALMINE_LOADTESTER_SHELL): "maybe"',
        'coalmine: --background-tasks (COALMINE_LOADTESTER_BACKGROUND_TASKS): "0"',
    ]
    assert all(": allowed: " in line for line in lines)


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As every command of ours tells it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command_line.main(["loadtester", f"-port={port}"]) == 1
    text = f"coalmine: port {port} is in use by another process; choose another with --port"
    assert capsys.readouterr().err.startswith(text)
