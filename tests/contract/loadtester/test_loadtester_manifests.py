"""deploy/loadtester: what it installs is what webhooks call, and what the command takes.

Rendered by kubectl's kustomize, and taken by a real API server.
"""

import re
import subprocess
import tomllib
from typing import Any, Final

import pytest
import yaml

from cli import main as command_line
from cli import options
from config.settings import loadtester
from config.settings.loadtester import LoadTesterSettings
from tests.services import presence
from tests.services.control_plane import ControlPlane
from tests.services.loadtesters import LoadTester

FOLDER: Final = presence.REPOSITORY / "deploy" / "loadtester"


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    """The objects by kind."""
    presence.require("kubectl")
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True
    )
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}


def test_the_service_is_where_webhooks_of_flaggers_users_lead(objects: dict[str, Any]) -> None:
    """http://flagger-loadtester.NAMESPACE/: port 80 leads to 8080 of the pods."""
    service, deployment = objects["Service"], objects["Deployment"]
    assert service["metadata"]["name"] == "flagger-loadtester"
    assert "namespace" not in service["metadata"]
    (port,) = service["spec"]["ports"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert (port["port"], ports[port["targetPort"]]) == (80, 8080)
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    policy = objects["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_the_arguments_are_taken_by_the_command(objects: dict[str, Any]) -> None:
    """It listens where the Service leads; the rest is as it is by default."""
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    given = command_line.parser().parse_args(container["args"])
    settings = LoadTesterSettings.from_environ(options.environment(given, {}, loadtester.FLAGS))
    assert settings == LoadTesterSettings(port=8080, background=50)
    known = {flag.env for flag in loadtester.FLAGS}
    assert {each["name"] for each in container["env"]} <= known


def test_the_pod_is_asked_whether_it_serves(objects: dict[str, Any], tester: LoadTester) -> None:
    """By a path that costs nothing; it asks no Redis, whose absence a restart does not mend."""
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert tester.ask("/healthz", method="GET") == (200, "OK")


def test_the_image_is_this_version_s_with_the_programs_of_the_articles(
    objects: dict[str, Any],
) -> None:
    """Of Debian's packages, which are named as the programs are; it runs as nobody."""
    text = (FOLDER / "Dockerfile").read_text("utf-8")
    project = tomllib.loads((presence.REPOSITORY / "pyproject.toml").read_text("utf-8"))
    version = project["project"]["version"]
    assert f"ARG COALMINE=coalmine:{version}\nFROM ${{COALMINE}}\n" in text
    installed = re.search(r"apt-get install --yes --no-install-recommends (.+) \\\n", text)
    assert installed is not None
    assert {"bash", "ca-certificates", "curl", "hey", "jq", "wrk"} == {*installed[1].split()}
    assert re.findall("^USER (.+)$", text, re.MULTILINE) == ["root", "10001:10001"]
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"coalmine-loadtester:{version}"


def test_the_pod_has_no_rights(objects: dict[str, Any]) -> None:
    """What limits commands is the pod: no token, no root, nothing to write to but /tmp."""
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    assert security["runAsUser"] == 10001
    assert security["runAsNonRoot"] is True
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert [each["mountPath"] for each in container["volumeMounts"]] == ["/tmp"]
    assert pod["terminationGracePeriodSeconds"] > 60


def test_a_real_api_server_takes_it(
    objects: dict[str, Any], control_plane: ControlPlane, namespace: str
) -> None:
    """Fields that it does not know would be refused."""
    for each in objects.values():
        applied = control_plane.apply(each, namespace)
        assert applied["metadata"]["namespace"] == namespace
