"""Which cluster and namespace are meant, as kubectl finds them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clients import errors
from clients.kube import contexts
from clients.kube.contexts import Context


def a_kubeconfig(path: Path, current: str, **namespaces: str | None) -> Path:
    """A kubeconfig at `path` with these contexts."""
    found: list[dict[str, Any]] = []
    for name, namespace in namespaces.items():
        about = {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})}
        found.append({"name": name, "context": about})
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "very-secret"}}],
        "contexts": found,
        "current-context": current,
    }
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A kubeconfig whose current context is `prod`."""
    return a_kubeconfig(tmp_path / "config", "prod", prod="shop", test=None)


def test_the_current_context_names_the_namespace(file: Path) -> None:
    """Found by the option, else by the variable."""
    assert contexts.chosen(str(file), None, {}) == Context("prod", "shop", file)
    assert contexts.chosen(None, None, {"KUBECONFIG": str(file)}).name == "prod"


def test_another_context_is_chosen_by_its_name(file: Path) -> None:
    """One without a namespace means `default`."""
    assert contexts.chosen(str(file), "test", {}) == Context("test", "default", file)
    assert contexts.known(str(file), {}) == ["prod", "test"]


def test_several_files_are_one_kubeconfig(file: Path, tmp_path: Path) -> None:
    """As in the variable; files that are missing are left out, like kubectl does."""
    other = a_kubeconfig(tmp_path / "other", "", more="here")
    named = f"{file}:{tmp_path / 'absent'}:{other}"
    assert contexts.chosen(None, "more", {"KUBECONFIG": named}).namespace == "here"
    assert contexts.known(named, {}) == ["more", "prod", "test"]


def test_without_a_current_context_one_has_to_be_named(tmp_path: Path) -> None:
    """With those that there are."""
    file = a_kubeconfig(tmp_path / "config", "", one="a", two="b")
    with pytest.raises(errors.Permanent, match="no current context; there are: one, two"):
        contexts.chosen(str(file), None, {})
    assert contexts.chosen(str(file), "two", {}).namespace == "b"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("contexts: [", "the file is not a kubeconfig"),
        ("- a", "the file is not a kubeconfig"),
        ("token: very-secret: x", "the file is not a kubeconfig"),
        ("", "file is empty"),
    ],
)
def test_what_is_no_kubeconfig_is_told_without_its_content(
    tmp_path: Path, content: str, words: str
) -> None:
    """A parser quotes the line it stumbles over, which may hold a credential."""
    file = tmp_path / "config"
    file.write_text(content, "utf-8")
    with pytest.raises(errors.Permanent, match=words) as told:
        contexts.chosen(str(file), None, {})
    assert "very-secret" not in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Neither another one nor the cluster around us is taken instead."""
    with pytest.raises(errors.Permanent, match="absent: there is no such file"):
        contexts.chosen(str(tmp_path / "absent"), None, {})
