"""Which role may do what at the API server, and why: the one place that says it.

`deploy/rbac` and the chart's roles are made of this (`cli.manifests`), and a process asks at
its start whether it has its rights (`cli.rbac.review`). A new router, target or autoscaler grants
itself by being registered. People who use the console have roles here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple, assert_never

from clients.kube import resources
from clients.kube.resources import Resource
from config import roles
from config.roles import Queue
from config.settings.settings import Settings
from routing.registry import ROUTERS, Routers
from scheduler import projections
from workloads.kinds import KINDS
from workloads.scalers import SCALERS


class Right(NamedTuple):
    """One verb on one resource; `resource` is the plural, with its subresource if there is one."""

    group: str
    resource: str
    verb: str


class Use(Enum):
    """When a rule is made use of."""

    ALWAYS = auto()
    CONFIG_TRACKING = auto()
    """Not with `--enable-config-tracking=false`: in a role of its own, which can be left out."""
    SECRET_TRACKING = auto()
    """The same, for what changes of Secrets alone are noticed by."""
    ADMISSION = auto()
    """Where the cluster's admission asks for it: whoever lacks it need not miss it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done with some resources; `why` is for whoever reads the manifests."""

    resources: tuple[Resource, ...]
    verbs: tuple[str, ...]
    why: str
    subresource: str = ""
    use: Use = Use.ALWAYS

    def is_needed(self, settings: Settings) -> bool:
        """Whether a process with these settings would miss it."""
        match self.use:
            case Use.ALWAYS:
                return True
            case Use.CONFIG_TRACKING | Use.SECRET_TRACKING:
                return settings.canaries.config_tracking
            case Use.ADMISSION:
                return False
            case _:
                assert_never(self.use)

    def plurals(self) -> Mapping[str, list[str]]:
        """Group to the resources of it, as RBAC writes them."""
        suffix = f"/{self.subresource}" if self.subresource else ""
        by_group: dict[str, list[str]] = {}
        for each in self.resources:
            by_group.setdefault(each.group, []).append(each.plural + suffix)
        return by_group

    def rights(self) -> Iterator[Right]:
        """The same, one by one."""
        for group, plurals in self.plurals().items():
            for plural in plurals:
                yield from (Right(group, plural, verb) for verb in self.verbs)


_CONFIGS: Final = (resources.CONFIG_MAPS, resources.SECRETS)
_CHANGED: Final = ("get", "create", "patch")

_OWNING: Final = Rule(
    (resources.CANARIES,),
    ("update",),
    "for clusters whose admission asks for it of whoever sets an ownerReference with "
    "blockOwnerDeletion",
    subresource="finalizers",
    use=Use.ADMISSION,
)


def rules(routers: Routers = ROUTERS) -> Mapping[str, tuple[Rule, ...]]:
    """Role to its rules, with what `routers` write."""
    return MappingProxyType(
        {
            roles.BEAT: _beat(routers),
            Queue.ANALYSIS: _analysis(),
            Queue.HOOKS: (),
            Queue.ROUTING: _routing(routers),
            Queue.REPORT: _report(),
        }
    )


def _beat(routers: Routers) -> tuple[Rule, ...]:
    return (
        Rule((resources.CANARIES,), ("get",), "to find out at start whether the kind is installed"),
        Rule(
            projections.watched(routers),
            ("list", "watch"),
            "canaries, and what decisions about them need to know",
        ),
        Rule(
            (resources.CONFIG_MAPS,),
            ("list", "watch"),
            "which of them changed",
            use=Use.CONFIG_TRACKING,
        ),
        Rule(
            (resources.SECRETS,),
            ("list", "watch"),
            "which of them changed: metadata alone is asked for, for which there is no right. "
            "Without it a changed Secret starts no rollout, but is a part of the next",
            use=Use.SECRET_TRACKING,
        ),
    )


def _analysis() -> tuple[Rule, ...]:
    targets = (kind.resource for kind in KINDS.values() if kind.making)
    autoscalers = (scaler.resource for scaler in SCALERS.values())
    return (
        Rule(
            _distinct((*targets, *autoscalers)),
            _CHANGED,
            "primaries are made, promoted and scaled; targets are scaled",
        ),
        Rule(
            (resources.SECRETS,),
            ("get",),
            "credentials of MetricTemplates, read where they are used",
        ),
        Rule(
            _CONFIGS,
            ("get", "create", "update", "delete"),
            "what pods of targets use, the copies for primaries, and the key of the digests; "
            "delete: to replace a copy that is immutable",
            use=Use.CONFIG_TRACKING,
        ),
        _OWNING,
    )


def _routing(routers: Routers) -> tuple[Rule, ...]:
    written = _distinct(routers.writes.values())
    users = {kind.resource for kind in KINDS.values() if kind.as_primary}
    return (
        Rule(
            tuple(each for each in written if each not in users),
            _CHANGED,
            "all that holds traffic",
        ),
        Rule(
            tuple(each for each in written if each in users),
            ("get", "patch"),
            "targets that hold their traffic themselves: users make them",
        ),
        _OWNING,
    )


def _report() -> tuple[Rule, ...]:
    return (
        Rule((resources.CANARIES,), ("patch",), "the status", subresource="status"),
        Rule(
            (resources.CANARIES,),
            ("get", "patch"),
            "the finalizer of revertOnDeletion: there is no narrower right",
        ),
        Rule((resources.EVENTS,), ("create", "patch"), "patch: to count up one that is told again"),
        Rule(
            (resources.ALERT_PROVIDERS, resources.SECRETS),
            ("get",),
            "where alerts are sent, and the addresses and tokens for it",
        ),
    )


VIEWING: Final = (
    Rule((resources.CANARIES,), ("get", "list", "watch"), "all commands"),
    Rule(
        tuple(kind.resource for kind in KINDS.values()),
        ("get",),
        "the targets and their primaries",
    ),
    Rule((resources.PODS, resources.EVENTS), ("list",), "status"),
)
"""What the console asks for where canaries are."""

ASKING: Final = (
    Rule((resources.PODS,), ("list",), "to find a process that can be asked"),
    Rule(
        (resources.PODS,),
        ("get", "create"),
        "the timeline; it leads to every port of every pod here",
        subresource="portforward",
    ),
)
"""What the console asks for where Coalmine runs."""


def _distinct(kinds: Iterable[Resource]) -> tuple[Resource, ...]:
    return tuple(dict.fromkeys(kinds))
