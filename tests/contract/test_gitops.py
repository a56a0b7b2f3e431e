"""What docs/gitops.md has Flux and Argo CD say of a Canary, phase by phase.

Real: the language of Flux's expressions, by the API server, which has it from the same library; and
that of Argo CD's rules. Not tested: Flux and Argo CD.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from lupa import lua51

from analysis import phases
from analysis.phases import Phase
from tests import fences
from tests.services.cluster import ControlPlane, Refused
from tests.system import manifests

MERGE: Final = "application/merge-patch+json"
PAGE: Final = "docs/gitops.md"
ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
UNKNOWN: Final = "cannot be told"

HEALTHY: Final = {Phase.INITIALIZED, Phase.SUCCEEDED}
AT_A_GATE: Final = {Phase.WAITING, Phase.WAITING_PROMOTION}
SHOWN: Final = sorted({phases.shown(phase) for phase in Phase})

Say = Callable[[Mapping[str, Any] | None], str]
"""What is said of a canary with that status."""


@contextlib.contextmanager
def evaluated(plane: ControlPlane, namespace: str, expressions: Mapping[str, str]) -> Iterator[Say]:
    """Has the API server refuse every change of a Canary there, with the names of what is true."""
    of_object = {
        key: re.sub(r"\bstatus\.", "object.status.", expressions[key]) for key in expressions
    }
    names = " + ".join(f"(({each}) ? '{key} ' : '')" for key, each in of_object.items())
    validation = {"expression": "false", "message": UNKNOWN, "messageExpression": names}
    rule = {
        "apiGroups": ["flagger.app"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["canaries", "canaries/status"],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": namespace, "validationActions": ["Deny"], "matchResources": here}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    made = [
        f"{ADMISSION}/{kind}/{plane.apply(_admission(name, namespace, spec))['metadata']['name']}"
        for kind, name, spec in (
            ("validatingadmissionpolicies", "ValidatingAdmissionPolicy", policy),
            ("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", binding),
        )
    ]
    path = plane.path(plane.apply(manifests.a_canary("app"), namespace), namespace)

    def say(status: Mapping[str, Any] | None) -> str:
        where, change = (
            ("", {"metadata": {"labels": {"a": "b"}}})
            if status is None
            else (
                "/status",
                {"status": status},
            )
        )
        try:
            plane.request("PATCH", f"{path}{where}?dryRun=All", change, content_type=MERGE)
        except Refused as refused:
            return str(refused.body["message"]).rpartition("denied request: ")[2].strip()
        return ""

    try:
        yield say
    finally:
        for each in made:
            plane.request("DELETE", each)


def _admission(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    version = ADMISSION.removeprefix("/apis/")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _until_in_force(say: Say) -> None:
    deadline = time.monotonic() + 20
    while not say(None):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_flux_waits_for_a_rollout_and_fails_with_it(
    control_plane: ControlPlane, namespace: str
) -> None:
    """One of the three in each phase; none without a status, for which Flux waits."""
    (check,) = fences.setting(PAGE, "healthCheckExprs")
    named = {key: check[key] for key in ("inProgress", "failed", "current")}
    with evaluated(control_plane, namespace, named) as say:
        _until_in_force(say)
        assert say(None) == UNKNOWN
        assert say({"failedChecks": 0}) == "inProgress"
        assert {phase: say({"phase": phase}) for phase in SHOWN} == {
            phase: "current"
            if phase in HEALTHY
            else "failed"
            if phase == "Failed"
            else "inProgress"
            for phase in SHOWN
        }


@pytest.mark.parametrize("phase", SHOWN)
def test_argo_cd_takes_a_canary_at_a_gate_for_suspended(phase: str) -> None:
    """By the rule of the page; and for progressing where there is no status."""
    rule = fences.setting(PAGE, "resource.customizations.health.flagger.app_Canary")
    said = of_argo(rule, f'{{status = {{phase = "{phase}"}}}}')
    expected = (
        "Healthy"
        if phase in HEALTHY
        else "Degraded"
        if phase == Phase.FAILED
        else "Suspended"
        if phase in AT_A_GATE
        else "Progressing"
    )
    assert said == (expected, phase)
    assert of_argo(rule, "{}") == ("Progressing", "")


def of_argo(rule: str, canary: str) -> tuple[str, str]:
    """Health and message by the rule, of an object that is written in Lua."""
    lua = lua51.LuaRuntime(register_eval=False)  # two versions in one process break each other
    lua.execute(f"obj = {canary}")
    health = lua.execute(rule)
    return health["status"], health["message"]
