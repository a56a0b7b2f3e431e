"""The generated CRDs: up to date, structural, and with the constraints of the reference.

What a real API server makes of them is in tests/contract/test_crds.py.
"""

import difflib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from config.api import crds
from config.api.analysis import STRATEGY_KEYS
from config.api.status import StatusPhase


def _schema(kind: crds.Kind) -> dict[str, Any]:
    version = crds.definition(kind)["spec"]["versions"][0]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def _at(*path: str) -> dict[str, Any]:
    """The schema of a field of the Canary; `[]` steps into items, `*` into values."""
    steps = {"[]": "items", "*": "additionalProperties"}
    node = _schema(crds.CANARY)
    for key in path:
        node = node[steps[key]] if key in steps else node["properties"][key]
    return node


def _nodes(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from _nodes(node[key], f"{path}.{key}")


def test_the_file_is_what_the_models_say() -> None:
    """`python -m config.api.crds` was run after the last change of the models."""
    kept = crds.FILE.read_text(encoding="utf-8")
    difference = difflib.unified_diff(kept.splitlines(), crds.render().splitlines(), lineterm="")

    assert "\n".join(difference) == ""


def test_the_file_holds_the_three_kinds() -> None:
    """Names, scope, subresource and policy of each."""
    documents = list(yaml.safe_load_all(crds.FILE.read_text(encoding="utf-8")))

    assert [document["metadata"]["name"] for document in documents] == [
        "canaries.flagger.app",
        "metrictemplates.flagger.app",
        "alertproviders.flagger.app",
    ]
    for document in documents:
        spec = document["spec"]
        assert document["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        assert spec["scope"] == "Namespaced"
        assert spec["names"]["categories"] == ["all"]
        assert "shortNames" not in spec["names"]
        assert spec["names"]["listKind"] == spec["names"]["kind"] + "List"
        (version,) = spec["versions"]
        assert (version["name"], version["served"], version["storage"]) == ("v1beta1", True, True)
        assert version["subresources"] == {"status": {}}


def test_the_columns_are_those_scripts_read() -> None:
    """`kubectl get canaries`: name, type, path and priority in Flagger's order, ours after them."""
    columns = crds.definition(crds.CANARY)["spec"]["versions"][0]["additionalPrinterColumns"]

    keys = ("name", "type", "jsonPath", "priority")
    assert [tuple({"priority": 0, **column}[key] for key in keys) for column in columns] == [
        ("Status", "string", ".status.phase", 0),
        ("Weight", "string", ".status.canaryWeight", 0),
        ("Suspended", "boolean", ".spec.suspend", 1),
        ("FailedChecks", "string", ".status.failedChecks", 1),
        ("Interval", "string", ".spec.analysis.interval", 1),
        ("Mirror", "boolean", ".spec.analysis.mirror", 1),
        ("StepWeight", "string", ".spec.analysis.stepWeight", 1),
        ("StepWeights", "string", ".spec.analysis.stepWeights", 1),
        ("MaxWeight", "string", ".spec.analysis.maxWeight", 1),
        ("LastTransitionTime", "string", ".status.lastTransitionTime", 0),
        ("Accepted", "string", '.status.conditions[?(@.type=="Accepted")].status', 0),
    ]


@pytest.mark.parametrize("phase", StatusPhase)
def test_a_line_of_columns_fits_in_80_cells(phase: StatusPhase) -> None:
    """With names of usual length; kubectl has three blanks between columns."""
    name = "n" * (18 if phase is StatusPhase.WAITING_PROMOTION else 20)
    shown = {
        "Status": phase.value,
        "Weight": "100",
        "LastTransitionTime": "2026-03-01T12:00:00Z",
        "Accepted": "False",
    }
    columns = crds.definition(crds.CANARY)["spec"]["versions"][0]["additionalPrinterColumns"]
    usual = [column["name"] for column in columns if not column.get("priority")]
    widths = [len(name), *(max(len(head), len(shown[head])) for head in usual)]
    assert sum(widths) + 3 * len(usual) <= 80


@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.kind)
def test_every_node_is_structural_and_described(kind: crds.Kind) -> None:
    """Typed, without references, titles and nulls; every named field has its sentence."""
    for path, node in _nodes(_schema(kind), ""):
        assert not {"$ref", "title", "anyOf", "nullable", "const"} & set(node), path
        assert "type" in node or node.get("x-kubernetes-int-or-string") is True, path
        for name, child in node.get("properties", {}).items():
            if path or name in {"spec", "status"}:
                assert child.get("description"), f"{path}.{name}"


def test_defaults_are_only_those_of_the_reference() -> None:
    """A default in the schema changes stored objects; a default of status would hide new ones."""
    found = {
        path: node["default"]
        for path, node in _nodes(_schema(crds.CANARY), "")
        if "default" in node
    }

    service = ".spec.service"
    assert found == {
        f"{service}.gatewayRefs.items.group": "gateway.networking.k8s.io",
        f"{service}.gatewayRefs.items.kind": "Gateway",
        f"{service}.mirror.items.backendRef.group": "",
        f"{service}.mirror.items.backendRef.kind": "Service",
        ".spec.analysis.sessionAffinity.maxAge": 86400,
        ".spec.canaryAnalysis.sessionAffinity.maxAge": 86400,
    }


@pytest.mark.parametrize(
    ("path", "required"),
    [
        (("spec",), ["targetRef"]),
        (("spec", "targetRef"), ["apiVersion", "kind", "name"]),
        (("spec", "autoscalerRef"), ["apiVersion", "kind", "name"]),
        (("spec", "upstreamRef"), ["apiVersion", "kind", "name"]),
        (("spec", "service"), ["port"]),
        (("spec", "service", "gatewayRefs", "[]"), ["name"]),
        (("spec", "service", "mirror", "[]"), None),
        (("spec", "analysis"), None),
        (("spec", "analysis", "metrics", "[]"), ["name"]),
        (("spec", "analysis", "metrics", "[]", "templateRef"), ["name"]),
        (("spec", "analysis", "webhooks", "[]"), ["name", "url"]),
        (("spec", "analysis", "alerts", "[]"), ["name", "providerRef"]),
        (("spec", "analysis", "sessionAffinity"), ["cookieName"]),
        (("status",), None),
        (("status", "conditions", "[]"), ["type", "status", "reason"]),
    ],
)
def test_only_what_flagger_requires_is_required(
    path: tuple[str, ...], required: list[str] | None
) -> None:
    """Never stricter than the schema users have; `analysis` may be given by its alias."""
    assert _at(*path).get("required") == required


def test_exactly_one_strategy_is_required() -> None:
    """Three branches, each with interval and threshold."""
    assert _at("spec", "analysis")["oneOf"] == [
        {"required": ["interval", "threshold", key]} for key in STRATEGY_KEYS
    ]


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "service", "port"),
        ("spec", "progressDeadlineSeconds"),
        ("spec", "analysis", "threshold"),
        ("spec", "analysis", "stepWeights", "[]"),
        ("spec", "analysis", "webhooks", "[]", "retries"),
        ("status", "failedChecks"),
    ],
)
def test_counts_are_integers(path: tuple[str, ...]) -> None:
    """D-29: a fraction never reaches the controller."""
    assert _at(*path)["type"] == "integer"


def test_measured_bounds_stay_numbers() -> None:
    """99.95 percent is a bound."""
    metric = ("spec", "analysis", "metrics", "[]")
    assert _at(*metric, "threshold")["type"] == "number"
    assert _at(*metric, "thresholdRange", "min")["type"] == "number"


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "analysis", "interval"),
        ("spec", "analysis", "metrics", "[]", "interval"),
        ("spec", "analysis", "webhooks", "[]", "timeout"),
    ],
)
def test_durations_are_anchored_at_both_ends(path: tuple[str, ...]) -> None:
    """D-93: `5minutes` is refused, `1m30s` is not."""
    assert _at(*path)["pattern"] == r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"


def test_texts_are_compared_in_one_way() -> None:
    """None or one in service matches, exactly one in A/B headers and origins."""
    optional = [
        {"not": {"anyOf": [{"required": [key]} for key in ("exact", "prefix", "regex")]}},
        *({"required": [key]} for key in ("exact", "prefix", "regex")),
    ]
    service = ("spec", "service", "match", "[]")
    assert _at(*service, "uri")["oneOf"] == optional
    assert _at(*service, "headers", "*")["oneOf"] == optional
    assert _at("spec", "analysis", "match", "[]", "queryParams", "*")["oneOf"] == optional
    assert _at("spec", "analysis", "match", "[]", "headers", "*")["oneOf"] == [
        {"required": [key]} for key in ("exact", "prefix", "suffix", "regex")
    ]
    assert _at("spec", "service", "corsPolicy", "allowOrigins", "[]")["oneOf"] == [
        {"required": [key]} for key in ("exact", "prefix", "regex")
    ]


def test_fields_flagger_prunes_are_kept() -> None:
    """What its model understands and its schema drops reaches the routes here."""
    policy = ("spec", "service", "trafficPolicy")
    assert set(_at(*policy, "connectionPool", "tcp")["properties"]) == {
        "maxConnections",
        "connectTimeout",
    }
    assert _at(*policy, "portLevelSettings")["type"] == "array"
    assert "suffix" in _at("spec", "service", "match", "[]", "uri")["properties"]
    assert "uri" in _at("spec", "analysis", "match", "[]")["properties"]


def test_no_field_is_free_form() -> None:
    """Where anything may be written, anything is nested: the older key has the fields of the newer.

    It may hold any number of strategies, because beside `analysis` it is ignored.
    """
    for kind in crds.KINDS:
        free = [path for path, node in _nodes(_schema(kind), "") if _is_free(node)]
        assert free == [".metadata"]  # which the API server knows better
    analysis = _at("spec", "analysis")
    assert _at("spec", "canaryAnalysis")["properties"] == analysis["properties"]
    assert set(analysis) - set(_at("spec", "canaryAnalysis")) == {"oneOf"}


def _is_free(node: dict[str, Any]) -> bool:
    """Whether an object may hold keys and values that no schema describes."""
    keeps_all = node.get("x-kubernetes-preserve-unknown-fields") or "x-kubernetes-embedded" in node
    closed = {"properties", "additionalProperties"} & set(node)
    return bool(keeps_all) or (node.get("type") == "object" and not closed)


def test_fields_of_ours_are_additions() -> None:
    """All of them optional, with the values they admit."""
    metric = ("spec", "analysis", "metrics", "[]")
    assert _at("spec", "analysis", "thresholdMode")["enum"] == ["cumulative", "consecutive"]
    assert _at(*metric, "onNoData")["enum"] == ["fail", "hold", "pass"]
    assert _at(*metric, "onError")["enum"] == ["fail", "hold", "pass"]
    assert _at("spec", "analysis", "a_b_test", "[]", "header", "value", "exact")["type"] == "string"
    assert "Addition to Flagger" in _at("spec", "analysis", "a_b_test")["description"]
    assert _at("spec", "service", "subsets")["type"] == "boolean"


def test_an_alert_provider_has_one_address() -> None:
    """Exactly one of address and secretRef."""
    spec = _schema(crds.ALERT_PROVIDER)["properties"]["spec"]

    assert spec["oneOf"] == [{"required": ["type", "address"]}, {"required": ["type", "secretRef"]}]
    assert "required" not in spec
