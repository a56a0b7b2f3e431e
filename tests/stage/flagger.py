"""A cluster as Flagger leaves it, at rest or in the midst of a rollout, made of `flagger.yaml`."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from clients.kube import resources
from tests.stage.stage import Stage

FILE: Final = Path(__file__).with_name("flagger.yaml")
KINDS: Final = {
    "Deployment": resources.DEPLOYMENTS,
    "ConfigMap": resources.CONFIG_MAPS,
    "Service": resources.SERVICES,
    "DestinationRule": resources.DESTINATION_RULES,
    "VirtualService": resources.VIRTUAL_SERVICES,
}
USERS: Final = frozenset({"cart-app", "cart-config"})
"""What a user made; all else is controlled by the Canary."""
BEFORE: Final = "697f4c8bd5"
AFTER: Final = "85bb5c764f"
"""Flagger's hashes of the two templates: nobody else can compute them."""
PODS: Final = timedelta(seconds=5)
"""How long those of the stage take to become ready, at most."""
REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "Initialized": ("True", "Deployment initialization completed."),
    "Waiting": ("Unknown", "Waiting for approval."),
    "Progressing": ("Unknown", "New revision detected, progressing canary analysis."),
    "WaitingPromotion": ("Unknown", "Waiting for approval."),
    "Promoting": ("Unknown", "Canary analysis completed, starting primary rolling update."),
    "Finalising": ("Unknown", "Canary analysis completed, routing all traffic to primary."),
    "Succeeded": (
        "True",
        "Canary analysis completed successfully, promotion finished.",
    ),
    "Failed": ("False", "Canary analysis failed, Deployment scaled to zero."),
}


@dataclass(frozen=True)
class Moment:
    """Where in a rollout of `cart:2` Flagger was stopped; at rest before it by default."""

    phase: str
    weight: int = 0
    """Of the canary, in the VirtualService; that of the status is `shown`."""
    shown: int | None = None
    target: str = "cart:1"
    """The image of the target, and of the primary."""
    primary: str = "cart:1"
    replicas: int = 0
    """Of the target."""
    status: Mapping[str, Any] = field(default_factory=dict)


def left(canary: Mapping[str, Any], moment: Moment) -> Stage:
    """A stage on which Flagger was at work until now, and has stopped at `moment`."""
    stage = Stage()
    metadata = {"name": "cart", "namespace": "shop"}
    body = {key: value for key, value in canary.items() if key != "status"}
    made = stage.kube.create(resources.CANARIES, "shop", {**body, "metadata": metadata})
    owner = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "name": "cart",
        "uid": made["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    for each in yaml.safe_load_all(FILE.read_text("utf-8")):
        whole = _at(moment, each)
        if each["metadata"]["name"] not in USERS:
            whole["metadata"]["ownerReferences"] = [owner]
        stage.kube.create(KINDS[whole["kind"]], "shop", whole)
    for _ in range(2):
        stage.kubelet.step()
        stage.clock.advance(PODS)
    _show(stage, moment)
    return stage


def _at(moment: Moment, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The object at that moment."""
    changed = deepcopy(dict(manifest))
    match (manifest["kind"], manifest["metadata"]["name"]):
        case ("Deployment", "cart-app"):
            changed["spec"]["replicas"] = moment.replicas
            changed["spec"]["template"]["spec"]["containers"][0]["image"] = moment.target
        case ("Deployment", _):
            changed["spec"]["template"]["spec"]["containers"][0]["image"] = moment.primary
        case ("VirtualService", _):
            primary, canary = changed["spec"]["http"][0]["route"]
            primary["weight"], canary["weight"] = 100 - moment.weight, moment.weight
    return changed


def _show(stage: Stage, moment: Moment) -> None:
    """Writes the status that Flagger writes."""
    truth, message = REASONS[moment.phase]
    now = stage.clock.now().isoformat().replace("+00:00", "Z")
    condition = {
        "type": "Promoted",
        "status": truth,
        "reason": moment.phase,
        "message": message,
        "lastUpdateTime": now,
        "lastTransitionTime": now,
    }
    status = {
        "phase": moment.phase,
        "failedChecks": 0,
        "canaryWeight": moment.weight if moment.shown is None else moment.shown,
        "iterations": 0,
        "lastAppliedSpec": BEFORE if moment.target == "cart:1" else AFTER,
        "lastPromotedSpec": BEFORE,
        "trackedConfigs": {"configmap/cart-config": "f2fd0a823b2e34bd"},
        "lastTransitionTime": now,
        "conditions": [condition],
        **moment.status,
    }
    stage.kube.patch(resources.CANARIES, "shop", "cart", {"status": status}, subresource="status")
