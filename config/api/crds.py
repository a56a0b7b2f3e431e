"""The CustomResourceDefinitions, generated from the models: `python -m config.api.crds`.

The models' field docs become the fields' descriptions. A test generates them again and compares,
so the file in deploy/crds cannot drift from the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from config import well_known
from config.api import schema
from config.api.alert_provider import AlertProviderSpec
from config.api.canary import CanarySpec
from config.api.metric_template import MetricTemplateSpec
from config.api.model import Model
from config.api.status import CanaryStatus

FILE: Final = Path(__file__).parents[2] / "deploy" / "crds" / "crds.yaml"

HEADER: Final = (
    "# CustomResourceDefinitions of flagger.app/v1beta1, generated from the models in config/.\n"
    "# Do not edit: change the models and run `python -m config.api.crds`.\n"
)


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What a CustomResourceDefinition says besides the schema of its spec."""

    kind: str
    plural: str
    description: str
    spec: type[Model]
    columns: tuple[dict[str, Any], ...]
    """Of `kubectl get`."""
    status: type[Model] | None = None


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> dict[str, Any]:
    """A column of `kubectl get`; a `wide` one appears with `-o wide` only."""
    column = {"name": name, "type": kind, "jsonPath": path}
    return {**column, "priority": 1} if wide else column


CANARY: Final = Kind(
    kind=well_known.CANARY_KIND,
    plural="canaries",
    description="A workload that is released step by step, measured, and promoted or rolled back.",
    spec=CanarySpec,
    status=CanaryStatus,
    columns=(
        _column("Status", ".status.phase"),
        _column("Weight", ".status.canaryWeight"),
        _column("Suspended", ".spec.suspend", "boolean", wide=True),
        _column("FailedChecks", ".status.failedChecks", wide=True),
        _column("Interval", ".spec.analysis.interval", wide=True),
        _column("Mirror", ".spec.analysis.mirror", "boolean", wide=True),
        _column("StepWeight", ".spec.analysis.stepWeight", wide=True),
        _column("StepWeights", ".spec.analysis.stepWeights", wide=True),
        _column("MaxWeight", ".spec.analysis.maxWeight", wide=True),
        _column("LastTransitionTime", ".status.lastTransitionTime"),
        _column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
    ),
)
METRIC_TEMPLATE: Final = Kind(
    kind=well_known.METRIC_TEMPLATE_KIND,
    plural="metrictemplates",
    description="A metric query that canaries refer to, and where it is run.",
    spec=MetricTemplateSpec,
    columns=(_column("Provider", ".spec.provider.type"),),
)
ALERT_PROVIDER: Final = Kind(
    kind=well_known.ALERT_PROVIDER_KIND,
    plural="alertproviders",
    description="A chat channel that canaries send alerts through.",
    spec=AlertProviderSpec,
    columns=(_column("Type", ".spec.type"),),
)

KINDS: Final = (CANARY, METRIC_TEMPLATE, ALERT_PROVIDER)


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of the kind, as an object of apiextensions.k8s.io/v1."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{well_known.GROUP}",
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": well_known.GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind) -> dict[str, Any]:
    return {
        "name": well_known.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(kind.columns),
        "schema": {"openAPIV3Schema": _root(kind)},
    }


def _root(kind: Kind) -> dict[str, Any]:
    """The schema of the whole object; nothing is required at this level, as in Flagger."""
    properties: dict[str, Any] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": _with_alias(schema.bounded(kind.spec)),
    }
    if kind.status:
        properties["status"] = schema.structural(kind.status)
    return {"description": kind.description, "type": "object", "properties": properties}


def _with_alias(spec: dict[str, Any]) -> dict[str, Any]:
    """The schema of a spec with that of `analysis` for its older name too.

    Not the rule of one strategy: beside `analysis` the older key is ignored, whatever it holds.
    """
    alias = spec["properties"].get("canaryAnalysis")
    if alias is None:
        return spec
    analysis = {**spec["properties"]["analysis"], "description": alias["description"]}
    del analysis["oneOf"]
    return {**spec, "properties": {**spec["properties"], "canaryAnalysis": analysis}}


def render() -> str:
    """The whole file: the three definitions as YAML documents under a header."""
    documents = [definition(kind) for kind in KINDS]
    return HEADER + yaml.dump_all(
        documents, sort_keys=False, width=100, allow_unicode=True, Dumper=_PlainDumper
    )


class _PlainDumper(yaml.SafeDumper):
    """Writes equal objects out each time: anchors are hard to read and to compare."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
