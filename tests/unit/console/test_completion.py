"""Completion of commands, options and names, as shells and kubectl ask for it."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import main
from cli.console import candidates, completion
from sandbox import cluster
from sandbox.apiserver import ApiServer
from tests.consoles import a_canary
from tests.services import presence


def completed(*words: str) -> list[str]:
    """What kubectl is answered for these words, the last of them begun."""
    *found, directive = completion.for_kubectl(main.parser(), words).splitlines()
    assert directive == ":4"  # no files
    return [each for each in found if each]


def a_kubeconfig(folder: Path) -> str:
    """A kubeconfig of two contexts whose server is away."""
    path = folder / "kubeconfig"
    path.write_text(
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "users: [{name: u, user: {}}]\n"
        "contexts: [{name: prod, context: {cluster: c, user: u}},"
        " {name: preview, context: {cluster: c, user: u}}]\n"
        "current-context: prod\n",
        "utf-8",
    )
    return str(path)


def test_commands_and_forms_are_completed() -> None:
    """By their beginning."""
    assert completed("hist") == ["history"]
    assert completed("get", "-o", "") == ["wide", "json", "yaml", "name"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]
    assert "--timeout" in completed("wait", "--t")


def test_contexts_are_completed_without_a_cluster(tmp_path: Path) -> None:
    """They are in the file."""
    words = ("get", "--kubeconfig", a_kubeconfig(tmp_path), "--context", "pr")
    assert completed(*words) == ["preview", "prod"]


@pytest.mark.parametrize("words", [("status", ""), ("get", "-n", "")])
def test_a_cluster_that_is_away_has_no_names_and_no_error(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever presses a key should not read about it."""
    *given, begun = words
    found = completed(*given[:1], "--kubeconfig", a_kubeconfig(tmp_path), *given[1:], begun)
    assert not [each for each in found if not each.startswith("-")]
    assert capsys.readouterr() == ("", "")


def test_an_unreadable_kubeconfig_has_no_names_and_no_error(tmp_path: Path) -> None:
    """As above."""
    given = argparse.Namespace(kubeconfig=str(tmp_path / "absent"), context=None, namespace=None)
    for what in ("canaries", "namespaces", "contexts"):
        assert candidates.values(what, parsed_args=given) == []


def test_canaries_and_namespaces_are_completed_with_those_of_the_cluster(tmp_path: Path) -> None:
    """Those of the context's namespace; with their namespaces where one is begun, or by -A."""
    with ApiServer() as server:
        where = ("--kubeconfig", str(server.write_kubeconfig(tmp_path / "kubeconfig")))
        server.apply_manifests(cluster.coalmine_crds())
        names = (("cart", "shop"), ("podinfo", "default"), ("podium", "default"))
        server.apply_manifests([a_canary(*each) for each in names])

        assert completed("status", *where, "pod") == ["podinfo", "podium"]
        assert completed("status", *where, "-n", "shop", "") == ["cart"]
        assert completed("status", *where, "shop/") == ["shop/cart"]
        assert completed("get", "-A", *where, "shop") == ["shop/cart"]
        assert completed("why", *where, "-n", "sh") == ["shop"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    """For both names of the program."""
    script = completion.script(shell)
    assert "coalmine" in script
    assert "kubectl-coalmine" in script


def test_bash_completes_with_the_script_that_it_is_given(tmp_path: Path) -> None:
    """Bash sources it, and asks the program."""
    program = tmp_path / "coalmine"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n', "utf-8")
    program.chmod(0o755)
    (tmp_path / "script").write_text(completion.script("bash"), "utf-8")
    asked = (
        f"source {tmp_path}/script; COMP_LINE='coalmine hist' COMP_POINT=13 COMP_TYPE=9;"
        "COMP_WORDS=(coalmine hist) COMP_CWORD=1; _python_argcomplete coalmine;"
        'echo "${COMPREPLY[@]}"'
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", asked],
        cwd=presence.REPOSITORY,
        env={**os.environ, "PATH": path},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.decode().strip() == "history"
