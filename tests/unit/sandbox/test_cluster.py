"""The sandbox as a whole: its parts see each other, and bad scenarios are refused."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.__main__ import main, scenario_text
from sandbox.apiserver.errors import ApiError
from sandbox.cluster import Cluster
from sandbox.mesh import Scenario


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A running sandbox under the demo's traffic."""
    with Cluster(Scenario.parse(scenario_text(None))) as running:
        yield running


def get(url: str) -> object:
    """The JSON at `url`."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def test_the_definitions_of_canaries_are_served_from_the_start(cluster: Cluster) -> None:
    """A Canary can be applied to a fresh sandbox, and a wrong one is refused by the schema."""
    answer = get(f"{cluster.api.url}/apis/flagger.app/v1beta1/canaries")
    assert isinstance(answer, dict)
    assert answer["items"] == []

    wrong = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "x", "namespace": "default"},
        "spec": {"targetRef": "podinfo"},
    }
    with pytest.raises(ApiError, match=r"spec\.targetRef"):
        cluster.api.apply_manifests([wrong])


def test_the_metrics_server_answers_queries(cluster: Cluster) -> None:
    """The number one, as Prometheus would say it."""
    answer = get(f"{cluster.metrics.url}/api/v1/query?query=1")

    assert isinstance(answer, dict)
    assert answer["data"]["result"][1] == "1"


def test_stopping_twice_is_harmless(cluster: Cluster) -> None:
    """Clean-up may run more than once."""
    cluster.stop()
    cluster.stop()


@pytest.mark.parametrize("option", ["--api-port", "--metrics-port"])
def test_a_port_in_use_ends_with_code_1_and_names_the_option(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line instead of a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([option, str(port)]) == 1

    told = f"port {port} is in use by another process; choose another with {option}"
    assert capsys.readouterr().err == f"coalmine sandbox: {told}\n"


def test_one_port_for_both_servers_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The second one finds it taken, which ends the first one too."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    assert main(["--api-port", port, "--metrics-port", port]) == 2
    assert "Address already in use" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kubeconfig is written nowhere, and the servers have ended."""
    wanted = tmp_path / "nowhere" / "kubeconfig"

    assert main(["--kubeconfig", str(wanted)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("coalmine sandbox: ")
    assert str(wanted) in line


@pytest.mark.parametrize("text", ["a: [", "apiVersion: v1\nkind: Nothing\nmetadata: {name: x}\n"])
def test_manifests_that_cannot_be_applied_are_told_with_their_file(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of several files, the one to mend is named, whether YAML or the API server refuses it."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("---\n---\n")
    bad.write_text(text)

    assert main(["--apply", str(good), "--apply", str(bad)]) == 2
    told = capsys.readouterr().err
    assert str(bad) in told
    assert str(good) not in told


def test_a_scenario_that_cannot_be_used_ends_with_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its problem is on stderr, with its place."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("profiles: {}\nhosts: [{host: a, namespace: b, requests_per_second: x}]")

    assert main(["--scenario", str(bad)]) == 2
    assert "requests_per_second" in capsys.readouterr().err
