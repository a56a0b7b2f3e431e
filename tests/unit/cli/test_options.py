"""Settings as options: both spellings of flags, precedence, refusals, help."""

import argparse
import json
import re
import socket
import subprocess
import sys
from dataclasses import asdict
from typing import Final

import pytest

from cli import main as command_line
from cli import options, up
from config.settings import environment
from config.settings.settings import FLAGS, SettingsError
from tests.services import presence

NAMES = [flag.name for flag in FLAGS]
OTHERS: Final = ("hooks-1", "routing-1", "report-1")


def parsed(*words: str) -> argparse.Namespace:
    """The arguments of `coalmine up`."""
    argv = options.with_two_dashes(["up", *words], NAMES)
    return command_line.parser().parse_args(argv)


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_flaggers_single_dash_means_the_same(dashes: str) -> None:
    """A command line of Flagger's chart can be pasted."""
    given = parsed(
        f"{dashes}mesh-provider=istio",
        f"{dashes}metrics-server",
        "http://prometheus.istio-system:9090",
        f"{dashes}no-cross-namespace-refs",
    )
    settings = options.settings(given, {})

    assert settings.canaries.mesh_provider == "istio"
    assert settings.metrics.server == "http://prometheus.istio-system:9090"
    assert settings.canaries.no_cross_namespace_refs


def test_flaggers_own_variable_counts_first() -> None:
    """Webhooks 2 and 4: "Environment (wins)"; a Deployment of Flagger's keeps its environment."""
    theirs = {"EVENT_WEBHOOK_URL": "http://theirs"}
    both = {**theirs, "COALMINE_EVENT_WEBHOOK": "http://ours"}

    def url(*words: str, environ: dict[str, str]) -> str:
        known = options.settings(parsed(*words), environ).canaries.event_webhook
        return known.get_secret_value() if known else ""

    assert url(environ={}) == ""
    assert url(environ=theirs) == "http://theirs"
    assert url(environ=both) == "http://theirs"
    assert url("-event-webhook=http://option", environ=both) == "http://theirs"
    del both["EVENT_WEBHOOK_URL"]
    assert url(environ=both) == "http://ours"
    assert url("-event-webhook=http://option", environ=both) == "http://option"


def test_kubectls_own_variable_names_the_cluster_where_nothing_else_does() -> None:
    """Whoever has set it for kubectl need not say it again."""

    def known(*words: str, **variables: str) -> str | None:
        given = environment.with_kubectls({"KUBECONFIG": "/kubectls", **variables})
        return options.settings(parsed(*words), given).kubernetes.kubeconfig

    assert known() == "/kubectls"
    assert known(COALMINE_KUBECONFIG="/ours") == "/ours"
    assert known("--kubeconfig=/option", COALMINE_KUBECONFIG="/ours") == "/option"


def test_only_known_names_get_a_second_dash() -> None:
    """Short options and what follows a lone `--` stay as they are."""
    words = ["-h", "-x", "-port=1", "--", "-port=2"]

    assert options.with_two_dashes(words, NAMES) == ["-h", "-x", "--port=1", "--", "-port=2"]


def test_an_option_wins_over_the_environment_which_wins_over_the_default() -> None:
    """Three places for one setting, in this order."""
    environ = {"COALMINE_LOG_LEVEL": "warn", "COALMINE_NAMESPACE": "shop"}
    settings = options.settings(parsed("--log-level=debug"), environ)

    assert settings.server.log_level == "debug"
    assert settings.kubernetes.namespace == "shop"
    assert settings.metrics.server == "http://prometheus:9090"


def test_an_empty_option_takes_back_what_the_environment_says() -> None:
    """`--namespace=` means all namespaces, whatever is exported."""
    settings = options.settings(parsed("--namespace="), {"COALMINE_NAMESPACE": "shop"})

    assert settings.kubernetes.namespace is None


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """One start shows all mistakes, of options and environment alike."""
    given = parsed("--log-level=loud", "--kubeconfig-qps=none")
    with pytest.raises(SettingsError) as refusal:
        options.settings(given, {"COALMINE_TICK_LEASE": "soon"})

    assert {problem.split()[0] for problem in refusal.value.problems} == {
        "--kubeconfig-qps",
        "--log-level",
        "--tick-lease",
    }


def test_children_get_settings_by_environment() -> None:
    """Options become variables, so that no child's command line repeats them."""
    given = parsed("--redis-url=redis://:word@server/0")

    variables = options.environment(given, {"PATH": "/bin"})

    assert variables == {"PATH": "/bin", "COALMINE_REDIS_URL": "redis://:word@server/0"}


@pytest.mark.parametrize("command", ["up", "beat", "worker"])
def test_help_names_each_setting_with_variable_and_default(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has to look elsewhere."""
    with pytest.raises(SystemExit):
        command_line.main([command, "--help"])
    text = re.sub(r"\s+", " ", capsys.readouterr().out)

    for flag in FLAGS:
        assert flag.option in text
        assert f"[{flag.env}; default {flag.default or 'none'}]" in text
    for title in options.GROUP_TITLES.values():
        assert f"{title}: " in text


def test_help_hides_what_only_our_own_processes_use(capsys: pytest.CaptureFixture[str]) -> None:
    """The option that ties children to parents is no business of people."""
    with pytest.raises(SystemExit):
        command_line.main(["worker", "--help"])

    assert "parent" not in capsys.readouterr().out


def test_bad_settings_end_with_code_2_and_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts can tell misuse from failure."""
    code = command_line.main(["worker", "routing", "--log-level=loud", "-min-interval=x"])

    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(lines) == 2
    assert all(line.startswith("coalmine: --") for line in lines)


def test_a_password_is_not_repeated_in_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    """A Redis URL may hold one."""
    code = command_line.main(["beat", "--redis-url=http://:secretword@server"])

    assert code == 2
    assert "secretword" not in capsys.readouterr().err


def test_an_unknown_role_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A typing mistake shows what there is."""
    with pytest.raises(SystemExit) as refusal:
        command_line.main(["worker", "rooting"])

    shown = capsys.readouterr().err
    assert refusal.value.code == 2
    assert all(role in shown for role in ("analysis", "hooks", "routing", "report"))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["beat-1", "worker-1"]),
        (["--workers", "2"], ["beat-1", "worker-1", "worker-2"]),
        (["--workers", "2", "--beats", "2"], ["beat-1", "beat-2", "worker-1", "worker-2"]),
        (["--workers", "1", "--hooks-workers", "1"], ["beat-1", "hooks-1", "worker-1"]),
        (["--beats", "1"], ["beat-1", "analysis-1", "analysis-2", *OTHERS]),
        (["--analysis-workers", "1"], ["beat-1", "beat-2", "analysis-1", *OTHERS]),
        (["--flower"], ["beat-1", "worker-1", "flower"]),
    ],
)
def test_up_runs_a_worker_for_everything_unless_told_how_many_of_which(
    words: list[str], names: list[str]
) -> None:
    """A number of a role means a process for each role, unless `--workers` is given, too."""
    given = command_line.parser().parse_args(["up", *words])

    assert [command.name for command in command_line.process_set(given).commands()] == names


def test_the_supervisor_imports_nothing_that_its_children_need() -> None:
    """It stays as long as they do: each of these libraries is 5 to 25 MiB."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, cli.up; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=presence.REPOSITORY,
    )
    imported = {name.partition(".")[0] for name in told.stdout.split()}
    heavy = {"celery", "kombu", "kubernetes", "pydantic", "redis", "requests", "rich", "urllib3"}

    assert not imported & heavy


def test_an_order_to_the_supervisor_is_read_as_it_was_given() -> None:
    """It travels as an argument, for there is nothing secret in it."""
    order = up.Order(up.SMALL, parent=7, level="INFO", cluster=None, embedded=True)

    assert up.Order.parse(json.dumps(asdict(order))) == order


def test_flags_become_environment_for_the_processes_below() -> None:
    """Only what was given is passed on; it wins over the inherited environment."""
    given = argparse.Namespace(mesh_provider="istio", namespace=None, log_level="debug")
    inherited = {"COALMINE_LOG_LEVEL": "info", "COALMINE_NAMESPACE": "shop"}

    assert options.environment(given, inherited) == {
        "COALMINE_MESH_PROVIDER": "istio",
        "COALMINE_LOG_LEVEL": "debug",
        "COALMINE_NAMESPACE": "shop",
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["up", "--port", "9000"], "coalmine: --port: up gives each of its processes a free port"),
        (["up", "-port=9000"], "coalmine: --port: up gives each of its processes a free port"),
        (["up", "--foo"], "coalmine: unrecognized arguments: --foo (see coalmine up --help)"),
        (["worker"], "coalmine: the following arguments are required: ROLES (see coalmine worker"),
        (["worker", "foo"], "coalmine: argument ROLES: unknown: 'foo' (choose from"),
        (["demo", "--flower-port", "99999"], "coalmine: argument --flower-port: '99999': allowed:"),
    ],
)
def test_a_command_line_that_cannot_be_used_is_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what is wrong and where help is, and the usage does not push it off the screen."""
    try:
        code: object = command_line.main(words)
    except SystemExit as ended:
        code = ended.code
    (told,) = capsys.readouterr().err.splitlines()

    assert (code, told[: len(line)]) == (2, line)


@pytest.mark.parametrize("kind", ["beats", "analysis", "hooks", "routing", "report"])
def test_a_server_of_its_own_needs_every_kind_of_process(
    kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else reaches it, so a part of the work would be left undone without a word."""
    monkeypatch.delenv("COALMINE_REDIS_URL", raising=False)
    option = "--beats" if kind == "beats" else f"--{kind}-workers"

    assert command_line.main(["up", option, "0"]) == 2
    assert f"there are to be no {kind} processes" in capsys.readouterr().err


def test_up_refuses_the_port_of_flower_that_another_process_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything is started: its process would be started again and again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = command_line.main(["up", "--flower", "--flower-port", str(port)])

    assert code == 1
    assert f"port {port} is in use by another process" in capsys.readouterr().err
