"""What a process may not do although its work needs it: asked of the API server at the start.

A right that is missing is told in the log, and the process goes on: what does not need the right is
done, and what needs it says so where it is needed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cli.rbac import table
from cli.rbac.table import Right
from clients import errors
from clients.kube import resources
from clients.kube.protocol import Kube
from config.settings.settings import Settings
from routing.registry import Routers

log = logging.getLogger(__name__)

_UNKNOWN: Final = "(unknown)"


@dataclass(frozen=True, slots=True)
class Missing:
    """A right that is needed and not there."""

    right: Right
    why: str


def begin(kube: Kube, roles: Iterable[str], settings: Settings, routers: Routers) -> None:
    """Has the rights of `roles` asked for on a thread of its own: nothing waits for the answers."""
    work = (kube, tuple(roles), settings, routers)
    threading.Thread(target=tell, args=work, name="rights", daemon=True).start()


def tell(kube: Kube, roles: Iterable[str], settings: Settings, routers: Routers) -> None:
    """Logs each right that is missing, with the account that lacks it and what would grant it."""
    try:
        lacking = list(missing(kube, roles, settings, routers))
        account = _account(kube) if lacking else _UNKNOWN
    except errors.ClientError as failure:  # a server that knows no reviews, or is away
        log.info("rights not asked for", extra={"error": failure.message})
        return
    for each in lacking:
        log.error("right missing", extra=_told(each, account, settings.kubernetes.namespace))


def missing(
    kube: Kube, roles: Iterable[str], settings: Settings, routers: Routers
) -> Iterator[Missing]:
    """The rights that `roles` need under `settings` and the process does not have.

    One request for each right that is needed. Raises ClientError.
    """
    rules = table.rules(routers)
    needed = {
        right: rule.why
        for role in roles
        for rule in rules[role]
        if rule.is_needed(settings)
        for right in rule.rights()
    }
    for right, why in needed.items():
        if not _is_allowed(kube, right, settings.kubernetes.namespace):
            yield Missing(right, why)


def _is_allowed(kube: Kube, right: Right, namespace: str | None) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "namespace": namespace or "",
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
    }
    body = {
        "apiVersion": resources.ACCESS_REVIEWS.api_version,
        "kind": resources.ACCESS_REVIEWS.kind,
        "spec": {"resourceAttributes": attributes},
    }
    answer = kube.create(resources.ACCESS_REVIEWS, None, body)
    return bool(answer["status"]["allowed"])


def _account(kube: Kube) -> str:
    """What the API server calls us."""
    body = {
        "apiVersion": resources.SUBJECT_REVIEWS.api_version,
        "kind": resources.SUBJECT_REVIEWS.kind,
    }
    try:
        answer = kube.create(resources.SUBJECT_REVIEWS, None, body)
    except errors.ClientError:  # servers before 1.28 have no such review
        return _UNKNOWN
    return str(answer["status"]["userInfo"]["username"])


def _told(lacking: Missing, account: str, namespace: str | None) -> dict[str, Any]:
    group, resource, verb = lacking.right
    where = f"a Role in {namespace}" if namespace else "a ClusterRole"
    return {
        "verb": verb,
        "resource": f"{resource}.{group}" if group else resource,
        "account": account,
        "needed": lacking.why,
        "remedy": f"grant it by {where}; deploy/rbac has all of them",
    }
