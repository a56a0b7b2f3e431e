"""Stock kubectl works against the sandbox: what a user types in the demo does what it says."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sandbox.apiserver import ApiServer
from sandbox.controllers import DeploymentController
from tests.services import presence

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations: {sandbox.coalmine.dev/ready-after: 100ms}
    spec:
      containers:
        - {name: app, image: "podinfo:1", env: [{name: A, value: b}]}
"""
LIMITED = f"""{DEPLOYMENT.rstrip().removesuffix("}")},
           resources: {{limits: {{cpu: 2000m, memory: 1024Mi}}, requests: {{cpu: 0.5}}}}}}
"""
ROUTE = """
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: web}, weight: 100}]}]}
"""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig of its own and an empty discovery cache."""

    home: Path

    def __call__(self, *arguments: str, stdin: str = "", editor: str = "") -> str:
        """What it prints; fails the test when it fails."""
        done = self.run(*arguments, stdin=stdin, editor=editor)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(
        self, *arguments: str, stdin: str = "", editor: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """The finished process, whatever came of it."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KUBECONFIG": str(self.home / "kubeconfig"),
            "KUBE_EDITOR": editor,
        }
        return subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@pytest.fixture
def kubectl(tmp_path: Path) -> Iterator[Kubectl]:
    """A kubectl against a sandbox of the test's own, with its deployment controller running."""
    presence.require("kubectl")
    with ApiServer() as server, DeploymentController(server.store):
        server.write_kubeconfig(tmp_path / "kubeconfig")
        yield Kubectl(tmp_path)


def test_apply_is_created_then_unchanged_then_configured(kubectl: Kubectl) -> None:
    """Client-side apply computes its patches from what the server stored."""
    text = f"{DEPLOYMENT}---{ROUTE}"
    assert kubectl("apply", "-f", "-", stdin=text).count("created") == 2
    assert kubectl("apply", "-f", "-", stdin=text).count("unchanged") == 2
    changed = text.replace("podinfo:1", "podinfo:2").replace("weight: 100", "weight: 99")
    assert kubectl("apply", "-f", "-", stdin=changed).count("configured") == 2
    image = kubectl("get", "deploy", "web", "-o", "jsonpath={..image}")
    assert image == "podinfo:2"


def test_server_side_apply_works_beside_client_side_apply(kubectl: Kubectl) -> None:
    """--server-side after a client-side apply, and again, without a conflict with oneself."""
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    for _ in range(2):
        shown = kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT)
        assert "deployment.apps/web serverside-applied" in shown
    other = DEPLOYMENT.replace("podinfo:1", "podinfo:2")
    done = kubectl.run("apply", "--server-side", "--field-manager=me", "-f", "-", stdin=other)
    assert done.returncode != 0
    assert "conflict" in done.stderr
    assert "image" in done.stderr


def test_typed_commands_that_send_protobuf_are_understood(kubectl: Kubectl) -> None:
    """The commands create namespace, deployment, configmap, secret; expose; scale."""
    kubectl("create", "namespace", "demo")
    kubectl("-n", "demo", "create", "deployment", "web", "--image=a:1", "--replicas=2")
    kubectl("-n", "demo", "create", "configmap", "c", "--from-literal=a=b")
    kubectl("-n", "demo", "create", "secret", "generic", "s", "--from-literal=a=b")
    kubectl("-n", "demo", "expose", "deployment", "web", "--port=80")
    deployment = yaml.safe_load(kubectl("-n", "demo", "get", "deploy", "web", "-o", "yaml"))
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "a:1"
    secret = yaml.safe_load(kubectl("-n", "demo", "get", "secret", "s", "-o", "yaml"))
    assert secret["data"] == {"a": "Yg=="}
    kubectl("-n", "demo", "scale", "deploy", "web", "--replicas=3")
    status = kubectl("-n", "demo", "rollout", "status", "deploy/web", "--timeout=60s")
    assert "successfully rolled out" in status


def test_a_new_image_is_rolled_out_and_undone(kubectl: Kubectl) -> None:
    """The commands set image, rollout status, rollout history, rollout undo."""
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    kubectl("set", "image", "deploy/web", "app=podinfo:2")
    status = kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert 'deployment "web" successfully rolled out' in status
    assert kubectl("rollout", "history", "deploy/web").split()[-4:] == [
        "1",
        "<none>",
        "2",
        "<none>",
    ]
    kubectl("rollout", "undo", "deploy/web")
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={..image}") == "podinfo:1"


def test_quantities_written_otherwise_make_no_revision(kubectl: Kubectl) -> None:
    """The same manifest again is no change, and undone is the revision that was there."""
    for _ in range(2):
        kubectl("apply", "-f", "-", stdin=LIMITED)
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    shown = "jsonpath={.metadata.generation} {..resources.limits}"
    assert kubectl("get", "deploy", "web", "-o", shown) == '1 {"cpu":"2","memory":"1Gi"}'
    kubectl("set", "image", "deploy/web", "app=podinfo:2")
    kubectl("rollout", "undo", "deploy/web")
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={..image}") == "podinfo:1"
    assert len(kubectl("get", "replicasets", "-o", "name").split()) == 2


def test_get_shows_columns_and_everything(kubectl: Kubectl) -> None:
    """get, get -o wide, get all, get of a custom resource."""
    kubectl("apply", "-f", "-", stdin=f"{DEPLOYMENT}---{ROUTE}")
    kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=60s")
    lines = kubectl("get", "deploy").splitlines()
    assert lines[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert lines[1].split()[:4] == ["web", "1/1", "1", "1"]
    assert "podinfo:1" in kubectl("get", "deploy", "-o", "wide")
    everything = kubectl("get", "all")
    for name in ("pod/web-", "deployment.apps/web", "replicaset.apps/web-"):
        assert name in everything
    assert kubectl("get", "vs").split()[:4] == ["NAME", "GATEWAYS", "HOSTS", "AGE"]
    assert "deployments" in kubectl("api-resources", "--api-group=apps")


def test_describe_shows_the_object_and_its_events(kubectl: Kubectl) -> None:
    """Events are found by their involvedObject."""
    kubectl("apply", "-f", "-", stdin=ROUTE)
    uid = kubectl("get", "vs", "web", "-o", "jsonpath={.metadata.uid}")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {
            "kind": "VirtualService",
            "name": "web",
            "namespace": "default",
            "uid": uid,
        },
        "type": "Warning",
        "reason": "Synced",
        "message": "Halt web advancement",
    }
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(event))
    described = kubectl("describe", "vs", "web")
    assert "Halt web advancement" in described
    assert "Warning" in described


@pytest.mark.parametrize("kind", ["strategic", "merge", "json"])
def test_patch_works_in_all_three_forms(kubectl: Kubectl, kind: str) -> None:
    """As `kubectl patch --type` names them."""
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    patches = {
        "strategic": '{"spec":{"replicas":2}}',
        "merge": '{"spec":{"replicas":2}}',
        "json": '[{"op":"replace","path":"/spec/replicas","value":2}]',
    }
    kubectl("patch", "deploy", "web", f"--type={kind}", "-p", patches[kind])
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "2"


def test_edit_changes_a_custom_resource(kubectl: Kubectl) -> None:
    """With sed as the editor; kept to the weight, since a uid that has 100 in it may not change."""
    kubectl("apply", "-f", "-", stdin=ROUTE)
    kubectl("edit", "vs", "web", editor="sed -i /weight/s/100/70/")
    weights = kubectl("get", "vs", "web", "-o", "jsonpath={.spec.http[0].route[0].weight}")
    assert weights == "70"


def test_watch_prints_changes(kubectl: Kubectl) -> None:
    """`get -w` ends at its timeout having shown the object's way to readiness."""
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    shown = kubectl.run("get", "deploy", "web", "-w", "--request-timeout=6s").stdout
    assert shown.splitlines()[-1].split()[:4] == ["web", "1/1", "1", "1"]


def test_delete_waits_until_the_object_and_its_dependents_are_gone(kubectl: Kubectl) -> None:
    """A Deployment takes its ReplicaSets and Pods along; a namespace everything in it."""
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert 'deployment.apps "web" deleted' in kubectl("delete", "deploy", "web", "--timeout=60s")
    assert kubectl("get", "all") == ""
    kubectl("create", "namespace", "demo")
    kubectl("-n", "demo", "apply", "-f", "-", stdin=ROUTE)
    kubectl("delete", "namespace", "demo", "--timeout=60s")
    assert "demo" not in kubectl("get", "namespaces", "-o", "name")


def test_bad_input_is_explained(kubectl: Kubectl) -> None:
    """A misspelt field and a missing namespace, in Kubernetes' words."""
    done = kubectl.run("apply", "-f", "-", stdin=DEPLOYMENT.replace("selector:", "selektor:"))
    assert 'strict decoding error: unknown field "spec.selektor"' in done.stderr
    done = kubectl.run("-n", "nowhere", "apply", "-f", "-", stdin=ROUTE)
    assert 'namespaces "nowhere" not found' in done.stderr
