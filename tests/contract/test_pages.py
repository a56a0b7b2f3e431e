"""What pages have readers type and paste, as kubectl, helm, promtool and an API server take it.

Which block is whose: tests/places.py. Not run is what needs a registry, or nodes: `docker` is a
stand-in that looks for its files.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.fences import ROOT, Fence
from tests.places import Here, blocks
from tests.services import control_plane, deployments, manifests, presence, processes, typist
from tests.services.cluster import ControlPlane
from tests.services.typist import Step
from tests.system import manifests as users

LONGEST_SECONDS: Final = 240

pytestmark = pytest.mark.timeout(LONGEST_SECONDS + 60)


def test_prometheus_takes_the_configuration_of_the_page(tmp_path: Path) -> None:
    """By its own tool."""
    presence.require("prometheus")
    [fence] = blocks(Here.READ)
    file = tmp_path / "prometheus.yaml"
    file.write_text(fence.text, "utf-8")
    done = subprocess.run(["promtool", "check", "config", file], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("fence", blocks(Here.RENDERED), ids=lambda fence: fence.first)
def test_an_overlay_of_a_user_s_changes_what_it_names(fence: Fence, tmp_path: Path) -> None:
    """With the checkout in the place of the address in Git."""
    (tmp_path / "coalmine").symlink_to(ROOT)
    text = fence.text.replace("https://git.example/coalmine//", "coalmine/")
    (tmp_path / "kustomization.yaml").write_text(text, "utf-8")
    rendered, overlay = manifests.kustomize(tmp_path), yaml.safe_load(text)
    [settings] = manifests.of_kind(rendered, "ConfigMap")
    [generator] = overlay["configMapGenerator"]
    changed = dict(line.split("=", 1) for line in generator["literals"])
    assert changed.items() <= settings["data"].items()
    for image in overlay.get("images", ()):
        assert {each.rpartition(":")[0] for each in _images(rendered)} == {image["newName"]}
    assert bool(manifests.of_kind(rendered, "PodMonitor")) == ("components" in overlay)
    assert bool(manifests.of_kind(rendered, "ClusterRole")) == ("transformers" not in overlay)


def _images(rendered: list[manifests.Manifest]) -> set[str]:
    return {
        container["image"]
        for each in manifests.of_kind(rendered, "Deployment")
        for container in each["spec"]["template"]["spec"]["containers"]
    }


STAND_INS: Final = r"""
docker() {  # builds need a daemon, pushes a registry: whether the files are there
  while [ $# -gt 0 ]; do
    [ "$1" != -f ] || test -f "$2"
    shift
  done
}
kubectl() {  # a port-forward needs a kubelet: what it would lead to
  case " $* " in
    *" port-forward deployment/flagger-loadtester "*) coalmine loadtester --port PORT ;;
    *" port-forward "*) ;;
    *) command kubectl "$@" ;;
  esac
}
function .venv/bin/coalmine { :; }  # stays until Ctrl-C; see test_up
curl() { command curl --silent --show-error --fail --retry 9 --retry-connrefused "$@"; }
"""

INSTALLS: Final = re.compile("helm install|kubectl apply --server-side -k")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server of our own: pages name namespaces and ClusterRoles as they like."""
    presence.require("control-plane")
    with control_plane.running(tmp_path_factory.mktemp("pages")) as plane:
        yield plane


def test_what_readers_type_is_taken_by_the_api_server(plane: ControlPlane, tmp_path: Path) -> None:
    """One page after the other, each command to its end."""
    presence.require("helm")
    presence.require("kubectl")
    plane.create_namespace("flagger-system")
    plane.apply(users.a_deployment("flagger"), "flagger-system")
    environ = {
        "KUBECONFIG": str(plane.kubeconfig(tmp_path / "kubeconfig")),
        "HOME": str(tmp_path),
        "PATH": f"{ROOT / '.venv/bin'}:{presence.helm_files()}:{os.environ['PATH']}",
    }
    with deployments.made_ready(plane, "coalmine-system"):
        typist.type_out(list(steps()), tmp_path, at=ROOT, seconds=LONGEST_SECONDS, environ=environ)


def steps() -> Iterator[Step]:
    """The blocks in their order; what was installed is taken away before the next installation."""
    [port] = processes.free_ports(1)
    yield Step(STAND_INS.replace("PORT", str(port)))
    homes = list[str]()
    for fence in blocks(Here.TYPED):
        text, home = fence.text.replace("8080", str(port)), "coalmine-system"
        if "create namespace" in text:  # which is there already
            text, home = text.replace(home, f"{home}-too"), f"{home}-too"
        if homes and INSTALLS.search(text):
            yield Step(f"helm uninstall coalmine --namespace {homes.pop()}")
        yield Step(text)
        if "helm install" in text:
            homes.append(home)
    yield Step("kill $(jobs -p); wait || true")
