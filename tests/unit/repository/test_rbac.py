"""The rights of the roles: what the table grants, to whom, and that the manifests say the same.

Not tested: that rollouts get by with them (tests/system), and that the table is what an API server
grants (tests/contract/test_rights.py).
"""

from collections.abc import Mapping
from typing import Any, Final

import pytest
import yaml

from cli import manifests
from cli.rbac import table
from clients.kube import resources
from clients.kube.resources import Resource
from config import roles
from config.roles import Kubernetes
from config.settings.settings import Settings
from routing.registry import ROUTERS
from scheduler import projections
from workloads.kinds import KINDS
from workloads.scalers import SCALERS

CONFIGS: Final = frozenset({resources.CONFIG_MAPS, resources.SECRETS})
ROUTED: Final = frozenset(ROUTERS.writes.values())
READING: Final = {"get", "list", "watch"}
Rights = frozenset[tuple[str, str, str]]
"""Group, resource and verb."""


def granted() -> Mapping[str, Rights]:
    """Role to its rights by the table."""
    return {
        role: frozenset(right for rule in rules for right in rule.rights())
        for role, rules in table.rules().items()
    }


def applied(*, configs: bool = True) -> Mapping[str, Rights]:
    """Role to its rights by deploy/rbac/rbac.yaml; none for an account without a binding.

    Without `configs` the roles of config tracking are left out.
    """
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(manifests.rbac()))
    rules = {each["metadata"]["name"]: each["rules"] for each in documents if "rules" in each}
    bound = [
        (each["subjects"][0]["name"], each["roleRef"]["name"])
        for each in documents
        if each["kind"] == "ClusterRoleBinding"
        and (configs or not each["metadata"]["name"].endswith(("-configs", "-secrets")))
    ]
    accounts = [each["metadata"]["name"] for each in documents if each["kind"] == "ServiceAccount"]
    return {
        account.removeprefix("coalmine-"): frozenset(
            (group, resource, verb)
            for name, role in bound
            if name == account
            for rule in rules[role]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        )
        for account in accounts
    }


def of(kinds: frozenset[Resource], *verbs: str) -> Rights:
    """The right to do `verbs` with all of `kinds`."""
    return frozenset((kind.group, kind.plural, verb) for kind in kinds for verb in verbs)


@pytest.mark.parametrize("file", manifests.FILES, ids=lambda file: file.name)
def test_what_follows_from_the_code_was_written_anew(file: Any) -> None:
    """`make manifests` changes nothing."""
    assert file.read_text("utf-8") == manifests.FILES[file]()


def test_the_manifest_grants_what_the_table_says() -> None:
    """Each account its own, by the API server's way of reading it."""
    assert applied() == granted()


def test_without_config_tracking_nobody_misses_what_is_left_out_for_it() -> None:
    """And with it they would."""
    settings = Settings.from_environ({"COALMINE_ENABLE_CONFIG_TRACKING": "false"})
    left = applied(configs=False)
    for role, rules in table.rules().items():
        needed = {right for rule in rules if rule.is_needed(settings) for right in rule.rights()}
        assert needed <= left[role]
        missed = {right for rule in rules if rule.is_needed(Settings()) for right in rule.rights()}
        assert (missed <= left[role]) == (role not in {"analysis", "beat"})


def test_the_chart_grants_what_the_table_says() -> None:
    """The same rules, from which it makes ClusterRoles or Roles."""
    rules = yaml.safe_load(manifests.chart_rules())
    documents = yaml.safe_load_all(manifests.rbac())
    roles = [each for each in documents if each["kind"] in {"ClusterRole", "Role"}]
    assert rules == {
        each["metadata"]["name"].removeprefix("coalmine-"): each["rules"] for each in roles
    }


def test_routing_workers_may_write_what_routers_write_and_nothing_else() -> None:
    """Create and patch, each after a read; the rule on finalizers lets them set owners.

    A Knative service is a user's: who could make one could run any image.
    """
    owning = {("flagger.app", "canaries/finalizers", "update")}
    users = frozenset({resources.KNATIVE_SERVICES})
    assert granted()["routing"] == (
        of(ROUTED - users, "get", "create", "patch") | of(users, "get", "patch") | owning
    )


def test_analysis_workers_may_write_the_kinds_of_targets_and_nothing_else() -> None:
    """Read what is to be copied; create, promote and scale. Their autoscalers too.

    Of configs copies are replaced as well.
    """
    targets = frozenset(kind.resource for kind in KINDS.values() if kind.making)
    autoscalers = frozenset(scaler.resource for scaler in SCALERS.values())
    owning = {("flagger.app", "canaries/finalizers", "update")}
    copying = of(CONFIGS, "get", "create", "update", "delete")
    writing = of(targets | autoscalers, "get", "create", "patch")
    assert granted()["analysis"] == writing | copying | owning


@pytest.mark.parametrize("role", sorted(set(roles.ALL) - {"analysis"}))
def test_no_other_account_may_write_secrets(role: str) -> None:
    """Invariant 10, by RBAC; a right to watch metadata alone does not exist.

    Report workers read the addresses that alerts are sent to.
    """
    rights = {right[2] for right in granted()[role] if right[:2] == ("", "secrets")}
    assert rights == {"beat": {"list", "watch"}, "report": {"get"}}.get(role, set())


def test_who_may_list_secrets_may_do_nothing_else() -> None:
    """By a role that can be left out."""
    documents = yaml.safe_load_all(manifests.rbac())
    listing = {
        each["metadata"]["name"]: each["rules"]
        for each in documents
        for rule in each.get("rules", ())
        if "secrets" in rule["resources"] and "list" in rule["verbs"]
    }
    [rules] = listing.values()
    assert rules == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}]
    assert listing.keys() == {"coalmine-beat-secrets"}


def test_report_workers_alone_read_alert_providers() -> None:
    """Beats watch them, to say what is wrong with one where it is used."""
    kind = resources.ALERT_PROVIDERS
    rights = {role: each & of(frozenset({kind}), "get") for role, each in granted().items()}
    assert {role for role, each in rights.items() if each} == {"report"}


def test_the_beat_may_watch_what_is_watched_and_nothing_else() -> None:
    """Among it everything that routers write: drift is noticed by watching."""
    watched = frozenset(projections.watched(ROUTERS))
    assert watched >= ROUTED
    assert granted()["beat"] == of(watched | CONFIGS, "list", "watch") | of(
        frozenset({resources.CANARIES}), "get"
    )


def test_no_role_has_wildcards_or_can_give_itself_rights() -> None:
    """Nor a way into a running pod but the port-forward of the console, nor a token of others."""
    documents = yaml.safe_load_all(manifests.rbac())
    rules = [rule for each in documents for rule in each.get("rules", ())]
    assert len(rules) > 20
    verbs = {verb for rule in rules for verb in rule["verbs"]}
    assert verbs == READING | {"create", "update", "patch", "delete"}
    groups = {group for rule in rules for group in rule["apiGroups"]}
    assert not groups & {"*", "rbac.authorization.k8s.io"}
    plurals = {plural for rule in rules for plural in rule["resources"]}
    assert not {plural for plural in plurals if "*" in plural or "serviceaccounts" in plural}
    under = {plural for plural in plurals if "/" in plural}
    assert under == {"canaries/status", "canaries/finalizers", "pods/portforward"}


def test_people_who_look_change_nothing_and_read_no_configs() -> None:
    """Where canaries are; the port-forward leads to the pods of Coalmine alone."""
    rights = {right for rule in table.VIEWING for right in rule.rights()}
    assert {right.verb for right in rights} == READING
    assert not rights & of(CONFIGS, *READING)
    asked = {right.resource for rule in table.ASKING for right in rule.rights()}
    assert asked == {"pods", "pods/portforward"}


def test_hook_workers_alone_have_no_rights() -> None:
    """They do not talk to Kubernetes."""
    without = {role for role, rights in granted().items() if not rights}
    assert without == {"hooks"} == roles.of_kind(Kubernetes.UNUSED)


@pytest.mark.parametrize("role", sorted(set(roles.ALL) - {"routing"}))
def test_no_other_account_may_write_traffic(role: str) -> None:
    """Invariant 5, by RBAC."""
    traffic = {(kind.group, kind.plural) for kind in ROUTED}
    writes = {right[:2] for right in granted()[role] if right[2] not in READING}
    assert not writes & traffic


@pytest.mark.parametrize("role", roles.ALL)
def test_nobody_but_report_may_write_a_canary(role: str) -> None:
    """Its status, and its finalizer, for which there is no right of its own."""
    rights = {right[1:] for right in granted()[role] if right[1] in {"canaries", "canaries/status"}}
    writes = {right for right in rights if right[1] not in READING}
    own = {("canaries", "patch"), ("canaries/status", "patch")}
    assert writes == (own if role == "report" else set())
