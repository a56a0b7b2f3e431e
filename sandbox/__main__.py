"""`python -m sandbox`: a cluster in the foreground until SIGTERM or Ctrl-C.

Once it serves, one line of JSON on stdout says where: `kubeconfig`, `apiServer`, `metricsServer`.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from clients import lifeline, logs
from config import durations
from config.settings import flags
from sandbox.apiserver import ApiError
from sandbox.apiserver.server import HOST
from sandbox.cluster import Cluster
from sandbox.mesh import Scenario, ScenarioError

_TRAFFIC: Final = resources.files("sandbox") / "scenarios" / "traffic.yaml"
_PORT_TAKEN: Final = 1
_UNUSABLE: Final = 2


class _Refused(Exception):
    """Manifests that the API server does not take."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code, once the sandbox was told to end.

    2 for files that cannot be used, 1 for a port that another process has; what is wrong is on
    stderr.
    """
    given = _parser().parse_args(argv)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    if given.parent_pid:
        lifeline.end_with(given.parent_pid)
    logs.configure("WARNING", role="sandbox")
    for option, port in (("--api-port", given.api_port), ("--metrics-port", given.metrics_port)):
        if _is_taken(port):
            text = f"port {port} is in use by another process; choose another with {option}"
            return _refused(text, _PORT_TAKEN)
    try:
        scenario = Scenario.parse(scenario_text(given.scenario))
        manifests = {path: _documents(path) for path in given.apply}
        _serve(given, scenario, manifests, ending)
    except (OSError, ScenarioError, yaml.YAMLError, _Refused, UnicodeDecodeError) as error:
        return _refused(str(error), _UNUSABLE)
    return 0


def _refused(problem: str, code: int) -> int:
    sys.stderr.write(f"coalmine sandbox: {problem}\n")
    return code


def _is_taken(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def _documents(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:  # a stream has a name, which the parser's words use
        return [each for each in yaml.safe_load_all(stream) if each is not None]


def _serve(
    given: argparse.Namespace,
    scenario: Scenario,
    manifests: Mapping[Path, Sequence[dict[str, Any]]],
    ending: threading.Event,
) -> None:
    cluster = Cluster(
        scenario,
        api_port=given.api_port,
        metrics_port=given.metrics_port,
        scrape_interval=given.scrape_interval,
        ready_after=given.ready_after,
    )
    with _kubeconfig(given.kubeconfig) as kubeconfig, cluster:
        cluster.api.write_kubeconfig(kubeconfig)
        for path, documents in manifests.items():
            try:
                cluster.api.apply_manifests(documents)
            except (ApiError, KeyError) as error:  # KeyError: a kind that nothing serves, or none
                raise _Refused(f"{path}: {error}") from error
        where = {
            "kubeconfig": str(kubeconfig),
            "apiServer": cluster.api.url,
            "metricsServer": cluster.metrics.url,
        }
        sys.stdout.write(json.dumps(where) + "\n")
        sys.stdout.flush()
        ending.wait()


@contextlib.contextmanager
def _kubeconfig(wanted: Path | None) -> Iterator[Path]:
    """Where the kubeconfig goes: `wanted`, or a file that is gone in the end."""
    if wanted is not None:
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="coalmine-sandbox-") as folder:
        yield Path(folder, "kubeconfig")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coalmine sandbox",
        description="A cluster for playing: Kubernetes API, Deployments, Istio, Prometheus.",
    )
    add = parser.add_argument
    add("--scenario", type=Path, help="traffic scenario (YAML) [default: the demo's]")
    add("--apply", type=Path, action="append", default=[], help="manifests to begin with")
    add("--kubeconfig", type=Path, help="where to write the kubeconfig [default: a new file]")
    add("--api-port", type=_port, default=0, help="port of the API server [default: a free one]")
    add("--metrics-port", type=_port, default=0, help="port of the metrics server [default: free]")
    text = "time between two samples of every metric [default 1s]"
    add("--scrape-interval", type=_duration, default=timedelta(seconds=1), help=text)
    text = "how long a pod takes to become ready [default 500ms]"
    add("--ready-after", type=_duration, default=timedelta(milliseconds=500), help=text)
    add("--parent-pid", type=int, help=argparse.SUPPRESS)
    return parser


def _port(text: str) -> int:
    try:
        return flags.port(text)
    except flags.BadValue as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def _duration(text: str) -> timedelta:
    try:
        return durations.parse(text)
    except durations.DurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def scenario_text(path: Path | None) -> str:
    """The text of a scenario file; the demo's without one."""
    return (path or _TRAFFIC).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
