"""What of deploy/ follows from other files: `python -m cli.manifests` writes it, a test compares.

`rbac/rbac.yaml` is applied as it is, or by kustomize; the chart makes ClusterRoles, or Roles of one
namespace, of the rules in its `files/rules.yaml`. Its schema is written by hand, but for what
follows from registries: providers and roles. Settings without a value of their own are a list
beside it, which `templates/refusals.yaml` reads.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from cli.rbac import table
from cli.rbac.table import Rule, Use
from config import meshes, roles
from config.roles import Kubernetes, Queue
from config.settings.settings import FLAGS
from config.well_known import INSTALLED_IN
from routing.registry import ROUTERS

_DEPLOY: Final = Path(__file__).parents[1] / "deploy"

CHART: Final = _DEPLOY / "chart" / "coalmine"

_RULES: Final = _DEPLOY / "prometheus"

_PROMETHEUS_RULE: Final = """\
# Generated from recording.yaml and alerts.yaml by `python -m cli.manifests`; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: coalmine
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: coalmine
    app.kubernetes.io/instance: coalmine
spec:
  groups:
"""

_GENERATED: Final = (
    "# Generated from cli/rbac/table.py by `python -m cli.manifests`; do not edit.\n"
)

_OF_SETTINGS: Final = (
    "# Generated from config/settings/ by `python -m cli.manifests`; do not edit.\n"
)

_ACCOUNTS: Final = """\
#
# One ServiceAccount per kind of process, each with just what its work needs. Only coalmine-routing
# may change traffic (Services and mesh objects); only coalmine-analysis may change workloads and
# their autoscalers; only coalmine-report may write statuses and events. Hook workers do not talk
# to Kubernetes. tests/system runs whole rollouts under exactly this, and counts refusals.
#
# The roles named -configs and -secrets are for config tracking: without it
# (`--enable-config-tracking=false`) leave them out, and -secrets also if nobody is to list Secrets.
# With `--namespace` Roles and RoleBindings in that namespace do as well, see
# deploy/kustomize/namespaced. Nobody is bound to coalmine-view and coalmine-console: they are for
# people who use the commands that show; whoever may `view` a namespace has the first there.
apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
"""

_ACCOUNT: Final = """\
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: coalmine-{role}
  namespace: {namespace}
"""

_BINDING: Final = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: coalmine-{name}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coalmine-{name}}}
subjects:
- {{kind: ServiceAccount, name: coalmine-{role}, namespace: {namespace}}}
"""

_ROLE: Final = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata:
  name: coalmine-{name}
"""

_AGGREGATED: Final = """\
  labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}
"""


_SUFFIXES: Final = {Use.CONFIG_TRACKING: "-configs", Use.SECRET_TRACKING: "-secrets"}
"""Of the names of roles that can be left out."""


def rbac() -> str:
    """deploy/rbac/rbac.yaml."""
    return _GENERATED + "".join(_documents())


def chart_rules() -> str:
    """The chart's rules: a YAML object of the names of roles to rules."""
    named = {each.name: each.rules for each in _grants()}
    named |= {"view": table.VIEWING, "console": table.ASKING}
    return _GENERATED + "".join(
        f"{name}:\n{''.join(map(_rule, rules))}" for name, rules in named.items()
    )


def chart_schema() -> str:
    """The chart's schema of values, a line for each value."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    properties = schema["properties"]
    properties["meshProvider"]["enum"] = ["", *sorted(_providers())]
    by_role = properties["roles"]["properties"]
    by_role.update(dict.fromkeys(Queue, by_role["compact"]))
    values = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(value)}"
        for name, value in schema.pop("properties").items()
    )
    head = "".join(f"  {json.dumps(name)}: {json.dumps(each)},\n" for name, each in schema.items())
    return f'{{\n{head}  "properties": {{\n{values}\n  }}\n}}\n'


def chart_settings() -> str:
    """The chart's list of the variables that may stand under `settings`.

    Of names that are none of these helm's schema would name another value as their place.
    """
    return _OF_SETTINGS + "".join(f"- {name}\n" for name in sorted(_settings_by_variable()))


def prometheus_rule() -> str:
    """The recording and alert rules as one object of the Prometheus Operator."""
    texts = [(_RULES / f"{name}.yaml").read_text("utf-8") for name in ("recording", "alerts")]
    groups = "".join(text.partition("\ngroups:\n")[2] for text in texts)
    return _PROMETHEUS_RULE.format(namespace=INSTALLED_IN) + textwrap.indent(groups, "  ")


_COPIED: Final = {
    "crds/crds.yaml": _DEPLOY / "crds" / "crds.yaml",
    "files/grafana/canary.json": _DEPLOY / "grafana" / "canary.json",
    "files/grafana/fleet.json": _DEPLOY / "grafana" / "fleet.json",
}
"""Of the chart: helm would follow links, but Flux leaves them out of what it takes from Git."""

FILES: Final[Mapping[Path, Callable[[], str]]] = {
    _DEPLOY / "rbac" / "rbac.yaml": rbac,
    _RULES / "prometheus-rule.yaml": prometheus_rule,
    CHART / "files" / "prometheus-rule.yaml": prometheus_rule,
    **{CHART / copy: partial(original.read_text, "utf-8") for copy, original in _COPIED.items()},
    CHART / "files" / "rules.yaml": chart_rules,
    CHART / "files" / "settings.yaml": chart_settings,
    CHART / "values.schema.json": chart_schema,
}


def _settings_by_variable() -> set[str]:
    """Variables that the chart has no value for; it does not ask for those that are secret."""
    settings = (CHART / "templates" / "_helpers.tpl").read_text("utf-8")
    elsewhere = {"COALMINE_KUBECONFIG", "COALMINE_LISTEN_PORT"}
    known = {flag.env for flag in FLAGS if not flag.secret} - elsewhere
    return {variable for variable in known if f"{variable}: " not in settings}


def _providers() -> set[str]:
    """The names of the meshes that have a router."""
    routed = ROUTERS.by_name.keys()
    return routed | {alias for alias, mesh in meshes.ALIASES.items() if mesh in routed}


def _documents() -> Iterator[str]:
    yield _ACCOUNTS.format(namespace=INSTALLED_IN)
    for role in roles.ALL:
        yield _ACCOUNT.format(role=role, namespace=INSTALLED_IN)
        if role in roles.of_kind(Kubernetes.UNUSED):
            yield "automountServiceAccountToken: false\n"
    for grant in _grants():
        yield from (_ROLE.format(kind="ClusterRole", name=grant.name), *_rules(grant.rules))
    for grant in _grants():
        yield _BINDING.format(name=grant.name, role=grant.role, namespace=INSTALLED_IN)
    yield from (_ROLE.format(kind="ClusterRole", name="view"), _AGGREGATED)
    yield from _rules(table.VIEWING)
    yield from (_ROLE.format(kind="Role", name="console"), f"  namespace: {INSTALLED_IN}\n")
    yield from _rules(table.ASKING)


class _Grant(NamedTuple):
    """A role of the cluster, and the process whose account is bound to it."""

    name: str
    role: str
    rules: tuple[Rule, ...]


def _grants() -> Iterator[_Grant]:
    """For each process one, and others besides for what config tracking needs."""
    for role, rules in table.rules().items():
        of_suffix: dict[str, list[Rule]] = {}
        for rule in rules:
            of_suffix.setdefault(_SUFFIXES.get(rule.use, ""), []).append(rule)
        for suffix, some in of_suffix.items():
            yield _Grant(role + suffix, role, tuple(some))


def _rules(rules: Iterable[Rule]) -> Iterator[str]:
    yield "rules:\n"
    yield from map(_rule, rules)


def _rule(rule: Rule) -> str:
    """The rule as items of a YAML list, one per API group, under the reason for it."""
    why = textwrap.fill(rule.why, 98, initial_indent="# ", subsequent_indent="# ")
    return f"{why}\n" + "".join(
        f"- apiGroups: [{_yaml(group)}]\n"
        f"  resources: [{', '.join(sorted(plurals))}]\n"
        f"  verbs: [{', '.join(rule.verbs)}]\n"
        for group, plurals in rule.plurals().items()
    )


def _yaml(group: str) -> str:
    return group or '""'


if __name__ == "__main__":
    for file, render in FILES.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render(), encoding="utf-8")
