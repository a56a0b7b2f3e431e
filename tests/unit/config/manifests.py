"""Raw manifests for tests: the smallest valid canary, the whole collection, and changes to them."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from config.api.canary import Canary
from config.validation import manifests

FOLDER: Final = Path(__file__).parents[2] / "manifests"

Raw = dict[str, Any]


def a_manifest(**spec: Any) -> Raw:
    """A valid Canary manifest, weighted by 15 to 60; `spec` replaces top-level keys of the spec."""
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"},
            "service": {"port": 80},
            "analysis": an_analysis(),
            **spec,
        },
    }


def an_analysis(**fields: Any) -> Raw:
    """A valid analysis; `fields` replace or add keys, None removes them."""
    whole = {"interval": "30s", "threshold": 4, "stepWeight": 15, "maxWeight": 60, **fields}
    return {key: value for key, value in whole.items() if value is not None}


def a_canary(**spec: Any) -> Canary:
    """The canary of `a_manifest`, loaded."""
    return manifests.load_canary(a_manifest(**spec))


def collection() -> Iterator[tuple[str, Raw]]:
    """Every document of the manifest collection with a name to show."""
    for file in sorted(FOLDER.glob("*.yaml")):
        for index, document in enumerate(yaml.safe_load_all(file.read_text(encoding="utf-8"))):
            yield f"{file.stem}-{index}", document


def canaries() -> list[Raw]:
    """The Canary documents of the collection."""
    return [copy.deepcopy(raw) for _, raw in collection() if raw["kind"] == "Canary"]
