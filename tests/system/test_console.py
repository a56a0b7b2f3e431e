"""The console as CI and people use it: `coalmine up` on the sandbox, asked through port-forwards.

What stands between console and sandbox answers port-forwards as a kube-apiserver does; behind them
is the worker's own port. The kubelet's part is left out: no cluster of the tests has one.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import resources as files
from pathlib import Path
from typing import Any, Final

import yaml

from cli import main
from clients.kube import connect
from clients.kube import resources as kinds
from tests.services import presence
from tests.services.port_forward import PortForwards, serving

RESOURCES: Final = {
    "Namespace": kinds.NAMESPACES,
    "Deployment": kinds.DEPLOYMENTS,
    "Canary": kinds.CANARIES,
}
BAD: Final = "ghcr.io/stefanprodan/podinfo:6.0.3"
"""Fails under the sandbox's traffic."""


@contextlib.contextmanager
def at_work(folder: Path) -> Iterator[tuple[Mapping[str, str], Path]]:
    """A sandbox, and `coalmine up` on it; where the one is, and what the other logs."""
    log = folder / "up.log"
    with contextlib.contextmanager(started)(
        folder, "sandbox", "--kubeconfig", str(folder / "direct")
    ) as one:
        assert one.stdout is not None
        where = json.loads(one.stdout.readline())
        options = ["--kubeconfig", where["kubeconfig"], "--metrics-server", where["metricsServer"]]
        with contextlib.contextmanager(started)(folder, "cli", "up", *options, log=log):
            yield where, log


def started(
    folder: Path, *words: str, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, ended at the end."""
    with (log or folder / "other.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=presence.REPOSITORY,
            env={**os.environ, "TMPDIR": str(folder), "COALMINE_MIN_INTERVAL": "2s"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if log is None else output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        if process.stdout:
            process.stdout.close()


def port_of_worker(log: Path) -> int:
    """The port that the worker of `up` serves on, once it does."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for line in log.read_text("utf-8").splitlines():
            told = json.loads(line) if line.endswith("}") else {}
            if told.get("msg") == "health served" and told["role"] == "worker-1":
                return int(told["port"])
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


def console(kubeconfig: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.main([*words, "--kubeconfig", str(kubeconfig)])
    return code, out.getvalue(), err.getvalue()


def in_a_process(kubeconfig: Path, *words: str) -> tuple[int, str, str]:
    """The same, as CI starts it."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words, "--kubeconfig", str(kubeconfig)],
        cwd=presence.REPOSITORY,
        capture_output=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_bad_release_is_followed_from_a_kubeconfig_alone(tmp_path: Path) -> None:
    """CI waits for it and fails; status, why and history say what decided it, with the numbers."""
    presence.require("valkey")
    with at_work(tmp_path) as (where, log):
        server = PortForwards(
            {"coalmine-system/worker-1": ("127.0.0.1", port_of_worker(log))}, where["apiServer"]
        )
        with serving(server):
            kubeconfig = a_kubeconfig(tmp_path / "kubeconfig", server.url)
            install(where["apiServer"])
            see(kubeconfig, where["apiServer"], server)


def see(kubeconfig: Path, url: str, server: PortForwards) -> None:
    """The story: initialized, a bad release, rolled back, and why."""
    code, out, err = console(kubeconfig, "wait", "podinfo", "--for=initialized", "--timeout=120s")
    assert (code, out.splitlines()[-1]) == (0, "shop/podinfo is initialized"), err

    release(url, BAD)
    code, out, err = in_a_process(kubeconfig, "wait", "canary/podinfo", "--timeout=180s")
    assert code == 1, out + err
    assert "shop/podinfo is not promoted: Failed: " in err
    assert "success rate" in err

    code, out, _ = console(kubeconfig, "status", "podinfo", "-o", "json")
    told = json.loads(out)
    assert (code, told["phase"], told["timeline"]) == (0, "Failed", None)
    success = next(each for each in told["checks"] if each["metric"] == "request-success-rate")
    assert (success["verdict"], success["minimum"]) == ("failed", 99.0)
    assert 0 < success["value"] < 99

    code, out, _ = console(kubeconfig, "why", "podinfo")
    assert code == 0
    assert "request-success-rate was " in out
    assert "at least 99% is asked for: failed, it counts as a failed check." in out

    code, out, _ = console(kubeconfig, "history", "podinfo", "-o", "json")
    first, second = json.loads(out)["rollouts"]
    assert (first["result"], second["result"]) == ("Initialized", "Failed")
    assert second["why"].startswith("success rate ")
    assert set(server.asked) == {"coalmine-system/worker-1:9090"}

    code, _, err = console(kubeconfig, "wait", "podinfo", "--for=failed", "--revision=6.0.3")
    assert code == 0, err
    code, _, err = console(kubeconfig, "wait", "podinfo", "--timeout=0", "--revision=6.0.4")
    assert code == 124, err


def install(url: str) -> None:
    """The shop, failing at its second failed check, and a pod of Coalmine's."""
    door = connect.connect(role="test", url=url)
    text = (files.files("sandbox") / "scenarios" / "shop.yaml").read_text("utf-8")
    for manifest in yaml.safe_load_all(text):
        if manifest["kind"] == "Canary":
            manifest["spec"]["analysis"]["threshold"] = 2
        door.create(RESOURCES[manifest["kind"]], manifest["metadata"].get("namespace"), manifest)
    namespace = "coalmine-system"
    door.create(kinds.NAMESPACES, None, {"metadata": {"name": namespace}})
    ports = [{"name": "http", "containerPort": 9090}]
    pod: dict[str, Any] = {
        "metadata": {"name": "worker-1", "labels": {"app.kubernetes.io/name": "coalmine"}},
        "spec": {"containers": [{"name": "worker", "image": "coalmine", "ports": ports}]},
    }
    door.create(kinds.PODS, namespace, pod)
    status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    door.patch(kinds.PODS, namespace, "worker-1", status, subresource="status")
    door.close()


def release(url: str, image: str) -> None:
    """Sets the image, as `kubectl set image` does."""
    door = connect.connect(role="test", url=url)
    live = door.get(kinds.DEPLOYMENTS, "shop", "podinfo")
    (container,) = live["spec"]["template"]["spec"]["containers"]
    changed = {"template": {"spec": {"containers": [{**container, "image": image}]}}}
    door.patch(kinds.DEPLOYMENTS, "shop", "podinfo", {"spec": changed})
    door.close()


def a_kubeconfig(path: Path, url: str) -> Path:
    """A kubeconfig for `url`, whose context is about the shop."""
    context = {"cluster": "it", "user": "me", "namespace": "shop"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": context}],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path
