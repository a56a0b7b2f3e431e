"""The roles in deploy/rbac against the registry of routers: who may watch and write what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from clients.kube import resources
from clients.kube.resources import Resource
from routing.registry import ROUTERS
from scheduler import projections
from workloads.kinds import KINDS
from workloads.scalers import SCALERS

MANIFESTS: Final = Path(__file__).parents[3] / "deploy" / "rbac" / "rbac.yaml"
CONFIGS: Final = frozenset({resources.CONFIG_MAPS, resources.SECRETS})
ROUTED: Final = frozenset(ROUTERS.writes.values())
Rights = frozenset[tuple[str, str, str]]
"""Group, resource and verb."""


def roles() -> Mapping[str, Rights]:
    """Worker role to what its ServiceAccount may do."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFESTS.read_text()))
    return {
        document["metadata"]["name"].removeprefix("coalmine-"): frozenset(
            (group, resource, verb)
            for rule in document["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        )
        for document in documents
        if document["kind"] == "ClusterRole"
    }


def of(kinds: frozenset[Resource], *verbs: str) -> Rights:
    """The right to do `verbs` with all of `kinds`."""
    return frozenset((kind.group, kind.plural, verb) for kind in kinds for verb in verbs)


def test_routing_workers_may_write_what_routers_write_and_nothing_else() -> None:
    """Create and patch, each after a read; the rule on finalizers lets them set owners."""
    owning = {("flagger.app", "canaries/finalizers", "update")}
    assert roles()["routing"] == of(ROUTED, "get", "create", "patch") | owning


def test_analysis_workers_may_write_the_kinds_of_targets_and_nothing_else() -> None:
    """Read what is to be copied; create, promote and scale. Their autoscalers too.

    Of configs copies are replaced as well.
    """
    targets = frozenset(kind.resource for kind in KINDS.values() if kind.making)
    autoscalers = frozenset(scaler.resource for scaler in SCALERS.values())
    owning = {("flagger.app", "canaries/finalizers", "update")}
    copying = of(CONFIGS, "get", "create", "update", "delete")
    writing = of(targets | autoscalers, "get", "create", "patch")
    assert roles()["analysis"] == writing | copying | owning


@pytest.mark.parametrize("role", sorted(roles().keys() - {"analysis"}))
def test_no_other_account_may_get_or_write_secrets(role: str) -> None:
    """Invariant 10, by RBAC; a right to watch metadata alone does not exist."""
    rights = {right[2] for right in roles()[role] if right[:2] == ("", "secrets")}
    assert rights == ({"list", "watch"} if role == "beat" else set())


def test_the_beat_may_watch_what_is_watched_and_nothing_else() -> None:
    """Among it everything that routers write: drift is noticed by watching."""
    watched = frozenset(projections.watched(ROUTERS))
    assert watched >= ROUTED
    assert roles()["beat"] == of(watched | CONFIGS, "list", "watch") | of(
        frozenset({resources.CANARIES}), "get"
    )


@pytest.mark.parametrize("role", sorted(roles().keys() - {"routing"}))
def test_no_other_account_may_write_traffic(role: str) -> None:
    """Invariant 5, by RBAC."""
    traffic = {(kind.group, kind.plural) for kind in ROUTED}
    writes = {right[:2] for right in roles()[role] if right[2] not in {"get", "list", "watch"}}
    assert not writes & traffic


@pytest.mark.parametrize("role", sorted(roles()))
def test_nobody_but_report_may_write_a_canary(role: str) -> None:
    """Its status, and its finalizer, for which there is no right of its own."""
    rights = {right[1:] for right in roles()[role] if right[1] in {"canaries", "canaries/status"}}
    writes = {right for right in rights if right[1] not in {"get", "list", "watch"}}
    own = {("canaries", "patch"), ("canaries/status", "patch")}
    assert writes == (own if role == "report" else set())
