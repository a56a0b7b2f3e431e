"""What a kubeconfig says of its contexts, as kubectl reads it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes.config import kube_config

from clients import errors, translation

DEFAULT: Final = "default"
"""The namespace where a context names none."""

_IN_CLUSTER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Context:
    """A cluster, and the namespace that is meant by default; `name` empty: the one around us.

    `kubeconfig` may be several files, as in the variable KUBECONFIG.
    """

    name: str
    namespace: str
    kubeconfig: Path | None = None


def chosen(kubeconfig: str | None, name: str | None, environ: Mapping[str, str]) -> Context:
    """The context `name`, or the current one.

    It is read from `kubeconfig`, else from the variable KUBECONFIG, else from ~/.kube/config; where
    there is none of them, it is the cluster around us. Raises Permanent.
    """
    path = _files(kubeconfig, environ)
    if path is None:
        return _around_us(name)
    known, current = _read(path)
    asked = next((each for each in known if each.get("name") == (name or current)), None)
    if asked is None:
        names = ", ".join(_names(known)[:10]) or "none"
        missing = f"no context {name or current!r}" if name or current else "no current context"
        raise errors.Permanent(f"kubeconfig {path}: {missing}; there are: {names}")
    about = asked.get("context") or {}
    return Context(str(asked["name"]), str(about.get("namespace") or DEFAULT), path)


def known(kubeconfig: str | None, environ: Mapping[str, str]) -> list[str]:
    """The names of all contexts that `chosen` would choose from. Raises Permanent."""
    path = _files(kubeconfig, environ)
    return _names(_read(path)[0]) if path else []


def _files(kubeconfig: str | None, environ: Mapping[str, str]) -> Path | None:
    """The kubeconfig, maybe several files; None when nothing names one."""
    home = Path("~/.kube/config").expanduser()
    named = kubeconfig or environ.get("KUBECONFIG") or (str(home) if home.exists() else "")
    if not named:
        return None
    files = [str(Path(each).expanduser()) for each in named.split(os.pathsep) if each]
    if not any(Path(each).is_file() for each in files):
        raise errors.Permanent(f"kubeconfig {named}: there is no such file")
    return Path(os.pathsep.join(files))


def _names(known: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted(str(each.get("name")) for each in known)


def _read(path: Path) -> tuple[list[Mapping[str, Any]], str]:
    """The contexts, and the name of the current one."""
    with translation.translated(f"kubeconfig {path}"):
        try:
            merged: Any = kube_config.KubeConfigMerger(str(path))  # type: ignore[no-untyped-call]
            kubeconfig = merged.config.value if merged.config else {}
            contexts: list[Mapping[str, Any]] = [
                dict(each.value) for each in kubeconfig.get("contexts") or ()
            ]
            return contexts, str(kubeconfig.get("current-context") or "")
        except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError):
            # Not chained: a parser quotes the line it stumbles over, which may hold a credential.
            text = f"kubeconfig {path}: the file is not a kubeconfig"
            raise errors.Permanent(text) from None


def _around_us(name: str | None) -> Context:
    if name or not _IN_CLUSTER.is_file():
        raise errors.Permanent(
            "no kubeconfig: give --kubeconfig, set KUBECONFIG, or have it in ~/.kube/config"
        )
    return Context("", _IN_CLUSTER.read_text("utf-8").strip() or DEFAULT)
