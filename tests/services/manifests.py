"""What deploy/ renders: by the real helm, and by kubectl's kustomize."""

import base64
import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.services import presence

DEPLOY: Final = presence.REPOSITORY / "deploy"
CHART: Final = DEPLOY / "chart" / "coalmine"
NAMESPACE: Final = "coalmine-system"

Manifest = dict[str, Any]
Identity = tuple[str, str, str]
"""Kind, namespace (empty for objects of the cluster) and name."""


class RenderingError(Exception):
    """What helm or kustomize said when it refused."""


def helm(
    *, values: Mapping[str, Any] | None = None, file: Path | None = None, namespace: str = NAMESPACE
) -> list[Manifest]:
    """The objects of the chart, definitions included; `values` win over those of `file`.

    Raises RenderingError.
    """
    presence.require("helm")
    files = ["--values", str(file)] if file else []
    return list(
        _documents(
            [
                *(str(_helm_binary()), "template", "coalmine", str(CHART), "--include-crds"),
                *(f"--namespace={namespace}", "--kube-version=1.36.0", *files, "--values=-"),
            ],
            json.dumps(values or {}),
        )
    )


def lint(values: Mapping[str, Any]) -> str:
    """What helm's linter says of the chart. Raises RenderingError."""
    presence.require("helm")
    command = [str(_helm_binary()), "lint", "--strict", "--values=-", str(CHART)]
    return _output(command, json.dumps(values))


def kustomize(folder: Path) -> list[Manifest]:
    """The objects of a kustomization. Raises RenderingError."""
    presence.require("kubectl")
    return list(_documents(["kubectl", "kustomize", str(folder)]))


def comparable(objects: Iterable[Manifest]) -> dict[Identity, Manifest]:
    """The objects by identity, without what only one of the two can say.

    That is helm's own labels and its checksums of settings, the suffix by which kustomize names the
    same settings, and the namespace itself, which helm makes when it is told to.
    """
    kept = [_plain(each) for each in _with_plain_names(objects) if each["kind"] != "Namespace"]
    return {identity(each): each for each in kept}


def identity(manifest: Mapping[str, Any]) -> Identity:
    """What tells the object from all others."""
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def of_kind(objects: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """Those of `kinds`."""
    return [each for each in objects if each["kind"] in kinds]


def _with_plain_names(objects: Iterable[Manifest]) -> list[Manifest]:
    """The objects, in which settings are named without the hash of what they say."""
    given = list(objects)
    text = json.dumps(given)
    for each in of_kind(given, "ConfigMap", "Secret"):
        name = each["metadata"]["name"]
        text = text.replace(f'"{name}"', json.dumps(re.sub(r"-[a-z0-9]{10}$", "", name)))
    plain: list[Manifest] = json.loads(text)
    return plain


def _plain(manifest: Manifest) -> Manifest:
    metadata = _without(
        manifest["metadata"],
        labels=("helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"),
    )
    plain = {**manifest, "metadata": metadata}
    if manifest["kind"] == "Secret" and "stringData" in plain:
        texts = plain.pop("stringData")
        plain["data"] = {
            name: base64.b64encode(text.encode()).decode() for name, text in texts.items()
        }
    if manifest["kind"] in {"Deployment", "StatefulSet"}:
        template = plain["spec"]["template"]
        checksums = ("checksum/settings", "checksum/secrets")
        template["metadata"] = _without(template["metadata"], annotations=checksums)
    return plain


def _without(metadata: Mapping[str, Any], **keys: Sequence[str]) -> dict[str, Any]:
    """`metadata` without some keys of its maps, nor a map that has no others."""
    kept = {
        field: {key: value for key, value in metadata.get(field, {}).items() if key not in dropped}
        for field, dropped in keys.items()
    }
    return {
        field: kept.get(field, value)
        for field, value in metadata.items()
        if kept.get(field, value) != {}
    }


def _helm_binary() -> Path:
    folder = presence.helm_files()
    assert folder is not None
    return folder / "helm"


def _documents(command: Sequence[str], text: str | None = None) -> Iterable[Manifest]:
    return (each for each in yaml.safe_load_all(_output(command, text)) if each)


def _output(command: Sequence[str], text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderingError(done.stderr + done.stdout)
    return done.stdout
