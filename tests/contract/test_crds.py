"""The generated CRDs at a real API server: what they admit, what they refuse, what they keep.

Aspects: the schemas are structural; every manifest of the collection, which has the examples of the
reference and those of the articles as they stand, is admitted and nothing of it is pruned; what was
admitted loads; the refusals of Flagger's schema are kept; the status subresource. Left out: the
texts of the API server's messages.
"""

import copy
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from config.api import crds
from config.api.status import CanaryStatus
from config.validation import manifests
from tests.services.control_plane import ControlPlane, Refused

MANIFESTS: Final = Path(__file__).parent.parent / "manifests"
PLURALS: Final = {kind.kind: kind.plural for kind in crds.KINDS}
CRD_PATH: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

Raw = dict[str, Any]


SPOILT: Final = "001-ab-testing"
"""The manifest of an article that has a key with a capital letter."""


def _documents() -> Iterator[Any]:
    for file in sorted(MANIFESTS.rglob("*.yaml")):
        for index, document in enumerate(yaml.safe_load_all(file.read_text(encoding="utf-8"))):
            if document["kind"] in PLURALS and file.stem != SPOILT:
                yield pytest.param(document, id=f"{file.stem}-{index}")


def _create(plane: ControlPlane, namespace: str, manifest: Mapping[str, Any]) -> Raw:
    """The object as stored; unknown fields are an error, as with `kubectl apply`."""
    body = copy.deepcopy(dict(manifest))
    body["metadata"]["namespace"] = namespace
    query = urllib.parse.urlencode({"fieldValidation": "Strict"})
    path = f"/apis/flagger.app/v1beta1/namespaces/{namespace}/{PLURALS[body['kind']]}"
    return plane.request("POST", f"{path}?{query}", body)


def _canary(**spec: Any) -> Raw:
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "cart"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"},
            "service": {"port": 80},
            "analysis": {"interval": "30s", "threshold": 4, "stepWeight": 15},
            **spec,
        },
    }


def _missing(given: Any, stored: Any, path: str) -> Iterator[str]:
    """Paths of what was given and is not stored as given."""
    if isinstance(given, dict) and isinstance(stored, dict):
        for key, value in given.items():
            yield from _missing(value, stored.get(key), f"{path}.{key}")
    elif isinstance(given, list) and isinstance(stored, list) and len(given) == len(stored):
        for index, value in enumerate(given):
            yield from _missing(value, stored[index], f"{path}[{index}]")
    elif given != stored:
        yield path


@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.kind)
def test_the_schemas_are_structural(control_plane: ControlPlane, kind: crds.Kind) -> None:
    """The API server has no complaint about the schema and serves the kind."""
    definition = control_plane.request("GET", f"{CRD_PATH}/{kind.plural}.flagger.app")

    conditions = {each["type"]: each["status"] for each in definition["status"]["conditions"]}
    assert conditions.get("NonStructuralSchema", "False") == "False"
    assert conditions["Established"] == "True"


@pytest.mark.parametrize("manifest", list(_documents()))
def test_every_manifest_is_admitted_whole_and_loads(
    control_plane: ControlPlane, namespace: str, manifest: Raw
) -> None:
    """Nothing of a user's manifest is refused or pruned, and what is stored can be loaded."""
    stored = _create(control_plane, namespace, manifest)

    assert list(_missing(manifest["spec"], stored["spec"], "spec")) == []
    if manifest["kind"] == "Canary":
        manifests.load_canary(stored)


def _hooked(**hook: Any) -> Raw:
    """An analysis with one webhook of these fields."""
    webhooks = [{"name": "load", "url": "http://probe.shop/", **hook}]
    return {"interval": "30s", "threshold": 4, "stepWeight": 15, "webhooks": webhooks}


REFUSED: Final[Mapping[str, Raw]] = {
    "a fraction where a count belongs": {
        "analysis": {"interval": "30s", "threshold": 4, "stepWeight": 2.5}
    },
    "two strategies": {
        "analysis": {"interval": "30s", "threshold": 4, "stepWeight": 10, "iterations": 3}
    },
    "two strategies, one of them 0": {
        "analysis": {"interval": "30s", "threshold": 4, "stepWeight": 10, "iterations": 0}
    },
    "no strategy": {"analysis": {"interval": "30s", "threshold": 4}},
    "no interval": {"analysis": {"threshold": 4, "stepWeight": 10}},
    "no threshold": {"analysis": {"interval": "30s", "stepWeight": 10}},
    "a duration with a word as unit": {
        "analysis": {"interval": "5minutes", "threshold": 4, "stepWeight": 10}
    },
    "an unknown provider": {"provider": "istioo"},
    "an unknown target kind": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "cart"}
    },
    "a target without a name": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment"}},
    "a service without a port": {"service": {"name": "cart"}},
    "a text as port": {"service": {"port": "80"}},
    "two comparisons of one text": {
        "service": {"port": 80, "match": [{"uri": {"exact": "/", "prefix": "/"}}]}
    },
    "an A/B header without comparison": {
        "analysis": {
            "interval": "30s",
            "threshold": 4,
            "iterations": 3,
            "match": [{"headers": {"x-cohort": {}}}],
        }
    },
    "a load balancer of two kinds": {
        "service": {
            "port": 80,
            "trafficPolicy": {
                "loadBalancer": {"simple": "RANDOM", "consistentHash": {"useSourceIp": True}}
            },
        }
    },
    "no replicas for the primary": {
        "autoscalerRef": {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "name": "cart",
            "primaryScalerReplicas": {"minReplicas": 0},
        }
    },
    "a mirror Service without port": {
        "service": {"port": 80, "mirror": [{"backendRef": {"name": "shadow"}}]}
    },
    "an unknown field": {"analysys": {}},
    "retries without end": {"analysis": _hooked(retries=101)},
    "a time limit beyond any worker": {"analysis": _hooked(timeout="24h0m1s")},
    "a time limit that overflows": {"analysis": _hooked(timeout="9999999999h")},
    "an interval of a month": {"analysis": {"interval": "721h", "threshold": 1, "stepWeight": 5}},
    "a port beyond 16 bits": {"service": {"port": 80, "targetPort": 65_536}},
    "a list without end": {"service": {"port": 80, "hosts": ["x.example"] * 1025}},
    "a map without end": {
        "service": {"port": 80, "apex": {"labels": dict.fromkeys(map(str, range(257)), "x")}}
    },
    "a text without end": {"service": {"port": 80, "portName": "x" * 4097}},
    "a time limit beyond any worker, below the alias": {
        "canaryAnalysis": _hooked(timeout="24h0m1s")
    },
    "a field that no analysis has, below the alias": {"canaryAnalysis": {"Match": [1, "x"]}},
}


@pytest.mark.parametrize("spec", REFUSED.values(), ids=REFUSED.keys())
def test_what_flagger_refuses_at_admission_is_refused(
    control_plane: ControlPlane, namespace: str, spec: Raw
) -> None:
    """Nonsense does not get as far as the controller, and is told to the user at once."""
    with pytest.raises(Refused) as refusal:
        _create(control_plane, namespace, _canary(**spec))

    assert refusal.value.status in {400, 422}


ADMITTED: Final[Mapping[str, Raw]] = {
    "an interval of two units": {
        "analysis": {"interval": "1m30s", "threshold": 1, "iterations": 2}
    },
    "a text without comparison": {"service": {"port": 80, "match": [{"uri": {}}]}},
    "an empty webhook type and severity": {
        "analysis": {
            "interval": "30s",
            "threshold": 1,
            "iterations": 2,
            "webhooks": [{"name": "load", "type": "", "url": "http://probe.shop/"}],
            "alerts": [{"name": "team", "severity": "", "providerRef": {"name": "chat"}}],
        }
    },
    "a named target port": {"service": {"port": 80, "targetPort": "http"}},
    "a null where nothing belongs": {"metricsServer": None},
    "a fraction as bound": {
        "analysis": {
            "interval": "30s",
            "threshold": 1,
            "iterations": 2,
            "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99.95}}],
        }
    },
    "any strategies below the alias": {"canaryAnalysis": {"stepWeight": 5, "iterations": 2}},
    "the largest of everything": {
        "progressDeadlineSeconds": 31_536_000,
        "service": {"port": 65_535, "targetPort": 65_535, "hosts": ["x.example"] * 1024},
        "analysis": {
            **_hooked(retries=100, timeout="24h"),
            "interval": "168h",
            "threshold": 100_000,
            "metrics": [
                {"name": "request-duration", "interval": "744h", "thresholdRange": {"max": 1e18}}
            ]
            * 64,
        },
    },
}


@pytest.mark.parametrize("spec", ADMITTED.values(), ids=ADMITTED.keys())
def test_what_flagger_admits_is_admitted(
    control_plane: ControlPlane, namespace: str, spec: Raw
) -> None:
    """Odd but working manifests keep working."""
    stored = _create(control_plane, namespace, _canary(**spec))

    manifests.load_canary(stored)


def test_defaults_are_filled_in_only_where_flagger_does(
    control_plane: ControlPlane, namespace: str
) -> None:
    """The life time of the cookie and the kinds of references; nothing else, no status."""
    spec: Raw = {
        "service": {
            "port": 80,
            "gatewayRefs": [{"name": "edge"}],
            "mirror": [{"backendRef": {"name": "shadow", "port": 80}}],
        },
        "analysis": {
            "interval": "30s",
            "threshold": 4,
            "stepWeight": 15,
            "sessionAffinity": {"cookieName": "cart"},
        },
    }
    stored = _create(control_plane, namespace, _canary(**spec))

    assert stored["spec"]["service"]["gatewayRefs"] == [
        {"name": "edge", "group": "gateway.networking.k8s.io", "kind": "Gateway"}
    ]
    assert stored["spec"]["service"]["mirror"] == [
        {"backendRef": {"name": "shadow", "port": 80, "group": "", "kind": "Service"}}
    ]
    assert stored["spec"]["analysis"]["sessionAffinity"] == {"cookieName": "cart", "maxAge": 86400}
    assert set(stored["spec"]) == {"targetRef", "service", "analysis"}
    assert "status" not in stored


def test_the_status_holds_what_is_reported(control_plane: ControlPlane, namespace: str) -> None:
    """Flagger's fields survive a write of the status."""
    stored = _create(control_plane, namespace, _canary())
    path = f"/apis/flagger.app/v1beta1/namespaces/{namespace}/canaries/cart/status"
    status = {
        "phase": "Progressing",
        "failedChecks": 2,
        "canaryWeight": 30,
        "iterations": -1,
        "trackedConfigs": {"configmap/cart": "0123456789abcdef"},
        "lastAppliedSpec": "5c4d9",
        "lastPromotedSpec": "7b8f6",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "conditions": [
            {
                "type": "Promoted",
                "status": "Unknown",
                "reason": "Progressing",
                "message": "New revision detected, progressing canary analysis.",
                "lastUpdateTime": "2026-01-02T03:04:05Z",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }
        ],
    }
    written = control_plane.request("PUT", path, {**stored, "status": status})

    assert written["status"] == status
    assert CanaryStatus.model_validate(written["status"]).wire() == status


def test_an_alert_provider_has_one_address(control_plane: ControlPlane, namespace: str) -> None:
    """Both an address and a Secret, or neither, is refused as in Flagger."""
    for extra in ({}, {"address": "http://x.example", "secretRef": {"name": "x"}}):
        manifest = {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "AlertProvider",
            "metadata": {"name": "team"},
            "spec": {"type": "slack", **extra},
        }
        with pytest.raises(Refused):
            _create(control_plane, namespace, manifest)
