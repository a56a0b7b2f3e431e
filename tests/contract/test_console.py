"""The console against API servers: the sandbox's, in this process and over HTTP, and a real one.

Left out: the timeline (`test_port_forward.py`, and a whole run in `tests/system/test_console.py`).
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import exits, main
from cli.console import cluster, looking
from cli.console.cluster import Cluster
from cli.rbac import table
from clients import errors
from clients.kube import connect, forward, resources
from clients.kube.protocol import PatchKind
from clients.kube.resources import Resource
from config.refs import CanaryRef
from config.well_known import INSTALLED_IN
from tests.consoles import a_canary, a_status, ago
from tests.contract.conftest import Place
from tests.services import presence
from tests.services.control_plane import ControlPlane
from workloads.kinds import KINDS

UNKNOWN = Resource("nobody.example.com", "v1", "things", "Thing")
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
LABELS = {"app": "podinfo"}


def released(place: Place) -> CanaryRef:
    """A canary under way with both Deployments, a pod and an event."""
    door, namespace = place
    door.create(resources.CANARIES, namespace, a_canary("podinfo", namespace))
    ref = CanaryRef(namespace, "podinfo")
    status = {"status": a_status("Progressing", 30)}
    door.patch(resources.CANARIES, *ref, status, subresource="status")
    for name, labels in (("podinfo", LABELS), ("podinfo-primary", {"app": "podinfo-primary"})):
        door.create(resources.DEPLOYMENTS, namespace, a_deployment(name, labels))
    with contextlib.suppress(errors.NotFound):  # the sandbox has none, and asks for none
        door.create(ACCOUNTS, namespace, {"metadata": {"name": "default"}})
    pod = {"metadata": {"name": "podinfo-1", "labels": LABELS}, "spec": POD}
    door.create(resources.PODS, namespace, pod)
    door.create(resources.EVENTS, namespace, an_event(namespace))
    return ref


POD: Mapping[str, Any] = {
    "containers": [{"name": "app", "image": "x/podinfo:6.0.1"}],
    "automountServiceAccountToken": False,
}


def a_deployment(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """A Deployment of two pods."""
    template = {"metadata": {"labels": labels}, "spec": POD}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}


def an_event(namespace: str) -> dict[str, Any]:
    """An event about the canary."""
    about = {"kind": "Canary", "name": "podinfo", "namespace": namespace}
    return {
        "metadata": {"name": "podinfo.1", "namespace": namespace},
        "involvedObject": {**about, "apiVersion": "flagger.app/v1beta1"},
        "type": "Normal",
        "message": "New revision detected! Scaling up podinfo.shop",
        "lastTimestamp": ago(seconds=5),
        "firstTimestamp": ago(seconds=5),
        "reason": "Synced",
        "source": {"component": "flagger"},
        "count": 1,
    }


def test_a_canary_is_read_with_all_that_is_around_it(place: Place) -> None:
    """Selected by labels and by fields, as the server understands them."""
    ref = released(place)
    asked = Cluster(place.door, "it")

    canary = asked.canary(ref)
    assert (canary.phase, canary.weight, canary.is_ours) == ("Progressing", 30, True)
    primary, target = looking.sides(asked, canary)
    assert primary.revision == target.revision != ""
    assert (primary.wanted, primary.available, target.tag) == (2, 0, "podinfo:6.0.1")
    (pod,) = looking.with_pods(asked, target, ref.namespace).pods
    assert (pod.name, pod.ready) == ("podinfo-1", False)
    assert looking.with_pods(asked, primary, ref.namespace).pods == ()
    (event,) = asked.events(ref)
    assert event.message == "New revision detected! Scaling up podinfo.shop"
    assert [each["metadata"]["name"] for each in asked.canaries(ref.namespace)] == ["podinfo"]


def test_a_missing_canary_and_a_missing_kind_are_told_apart(place: Place) -> None:
    """Both are 404 on the wire."""
    asked = Cluster(place.door, "it")
    with pytest.raises(exits.Unusable, match=f"there is no canary {place.namespace}/absent"):
        asked.canary(CanaryRef(place.namespace, "absent"))
    with pytest.raises(errors.NotFound) as kind:
        place.door.list(UNKNOWN, place.namespace)
    assert not cluster._is_about_an_object(kind.value)
    with pytest.raises(exits.Unusable, match="no definition"), asked.explained("x", None):
        place.door.list(UNKNOWN, place.namespace)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    code = main.main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_kubeconfig_is_enough(
    place_on_apiserver: Place,
    control_plane: ControlPlane,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its context names cluster, user and namespace; another one is chosen as for kubectl."""
    ref = released(place_on_apiserver)
    kubeconfig = control_plane.kubeconfig(tmp_path / "kubeconfig")
    config = yaml.safe_load(kubeconfig.read_text("utf-8"))
    (context,) = config["contexts"]
    here = {
        **context,
        "name": "here",
        "context": {**context["context"], "namespace": ref.namespace},
    }
    config |= {"contexts": [context, here], "current-context": ""}
    kubeconfig.write_text(yaml.safe_dump(config), "utf-8")
    where = ["--kubeconfig", str(kubeconfig), "--context", "here"]

    code, out, _ = told(capsys, "get", *where)
    assert code == exits.OK
    assert out.splitlines()[1].split()[:3] == ["podinfo", "Progressing", "30%"]
    code, out, _ = told(capsys, "status", "podinfo", *where)
    assert code == exits.OK
    assert "no timeline: no running pod has the label app.kubernetes.io/name=coalmine" in out
    code, out, _ = told(capsys, "wait", "podinfo", "--for", "initialized", *where)
    assert code == exits.OK
    code, _, err = told(capsys, "wait", "podinfo", "--timeout", "0s", *where)
    assert code == exits.TIMED_OUT
    code, _, err = told(capsys, "history", "podinfo", *where)
    assert (code, err.startswith("coalmine: no timeline: ")) == (exits.FAILED, True)
    code, _, err = told(capsys, "get", "--kubeconfig", str(kubeconfig), "--context", "nowhere")
    assert code == exits.UNUSABLE
    assert "no context 'nowhere'; there are: " in err


def test_whom_the_server_does_not_know_or_does_not_let_is_told_what_to_do(
    control_plane: ControlPlane,
    namespace: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line each, exit code 2."""
    token = control_plane.service_account_token(namespace, "nobody")
    kubeconfig = control_plane.kubeconfig(tmp_path / "nobody", token=token)
    code, _, err = told(capsys, "get", "-A", "--kubeconfig", str(kubeconfig))
    assert code == exits.UNUSABLE
    assert "does not let you list canaries in all namespaces: give --namespace, or have" in err
    assert err.count("\n") == 1

    kubeconfig = control_plane.kubeconfig(tmp_path / "stranger", token="made-up")
    code, _, err = told(capsys, "status", "podinfo", "--kubeconfig", str(kubeconfig))
    assert code == exits.UNUSABLE
    assert "does not know you: log in again, or choose another --context" in err


def test_a_pod_without_a_node_cannot_be_forwarded_to(
    place_on_apiserver: Place, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """So far a control plane without nodes goes: it takes WebSocket, token and path."""
    released(place_on_apiserver)
    kubeconfig = control_plane.kubeconfig(tmp_path / "kubeconfig")
    door = forward.connect(role="test", kubeconfig=kubeconfig, context=None)
    second = timedelta(seconds=5)
    with pytest.raises(errors.ClientError) as refused:
        door.get(place_on_apiserver.namespace, "podinfo-1", 8080, "/", timeout=second, most=100)
    assert refused.value.status == 400
    with pytest.raises(errors.NotFound):
        door.get(place_on_apiserver.namespace, "absent", 8080, "/", timeout=second, most=100)


def test_documents_of_a_real_server_are_whole(
    place_on_apiserver: Place,
    control_plane: ControlPlane,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As kubectl prints them, but for managed fields."""
    ref = released(place_on_apiserver)
    kubeconfig = control_plane.kubeconfig(tmp_path / "kubeconfig")
    where = ["--kubeconfig", str(kubeconfig), "-n", ref.namespace]
    _, out, _ = told(capsys, "get", "podinfo", "-o", "json", *where)
    canary = json.loads(out)
    live = dict(place_on_apiserver.door.get(resources.CANARIES, *ref))
    live["metadata"] = {k: v for k, v in live["metadata"].items() if k != "managedFields"}
    assert canary == live


RBAC = presence.REPOSITORY / "deploy" / "rbac" / "rbac.yaml"
RBAC_API = "rbac.authorization.k8s.io"


def bound(plane: ControlPlane, namespace: str, kind: str, name: str, subject: object) -> None:
    """Binds `subject` to a role within a namespace."""
    binding = {
        "apiVersion": f"{RBAC_API}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"viewer-{name}"},
        "roleRef": {"apiGroup": RBAC_API, "kind": kind, "name": name},
        "subjects": [subject],
    }
    plane.apply(binding, namespace)


@contextlib.contextmanager
def a_process_of_ours(plane: ControlPlane, home: str) -> Iterator[None]:
    """A block with a pod of an installation that runs, as far as the API server is concerned.

    Gone after it: the console looks for such pods in all namespaces.
    """
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "beat", "labels": {"app.kubernetes.io/name": "coalmine"}},
        "spec": POD,
    }
    plane.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, home
    )
    plane.apply(pod, home)
    place = f"/api/v1/namespaces/{home}/pods/beat"
    running = {"status": {"phase": "Running"}}
    plane.request("PATCH", f"{place}/status", running, content_type=PatchKind.MERGE)
    yield
    plane.request("DELETE", f"{place}?gracePeriodSeconds=0")


def test_the_roles_for_viewers_are_what_the_console_needs(
    place_on_apiserver: Place,
    control_plane: ControlPlane,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is refused but the pods of all namespaces, for which those of ours are asked then.

    No right goes unused, but for the kinds of targets that this canary does not have.
    """
    ref = released(place_on_apiserver)
    control_plane.apply_file(RBAC)
    token = control_plane.service_account_token(ref.namespace, "viewer")
    subject = {"kind": "ServiceAccount", "name": "viewer", "namespace": ref.namespace}
    bound(control_plane, ref.namespace, "ClusterRole", "coalmine-view", subject)
    bound(control_plane, INSTALLED_IN, "Role", "coalmine-console", subject)
    kubeconfig = control_plane.kubeconfig(tmp_path / "viewer", token=token)
    where = ["--kubeconfig", str(kubeconfig), "-n", ref.namespace]

    ours = a_process_of_ours(control_plane, INSTALLED_IN)
    with ours, control_plane.recorded() as requests:
        assert told(capsys, "get", *where)[0] == exits.OK
        assert told(capsys, "status", "podinfo", *where)[0] == exits.OK
        code, _, err = told(capsys, "history", "podinfo", *where)
        with contextlib.closing(connect.connect(role="test", kubeconfig=kubeconfig)) as door:
            following = door.watch(resources.CANARIES, ref.namespace, "", timedelta(seconds=5))
            assert next(following).object["metadata"]["name"] == "podinfo"
    assert code == exits.FAILED
    assert "port-forward to coalmine-system/beat:8080: 400" in err  # let through; it has no node

    asked = [each for each in requests if each.user.endswith(f":{ref.namespace}:viewer")]
    refused = {(each.verb, each.resource, each.namespace) for each in asked if each.code == 403}
    assert refused == {("list", "pods", "")}
    used = {(each.resource, each.verb) for each in asked}
    kinds = {kind.resource.plural for kind in KINDS.values()} - {"deployments"}
    given = {
        (right.resource, right.verb)
        for rule in (*table.VIEWING, *table.ASKING)
        for right in rule.rights()
        if right.resource not in kinds
    }
    # For one and the same request servers since 1.35 want `create`, and those before it `get`.
    assert given - used == {("pods/portforward", "create")}
