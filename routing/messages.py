"""Refusals in the words users know: they appear as Warning events.

Texts: docs/compatibility/routing.md, "Error texts that appear as Warning events".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from clients import errors
from clients.documents.outcome import Refusal
from clients.kube import resources
from config import names
from config.api.canary import Canary
from routing.metadata import Foreign
from routing.router import Managed, ServiceRole, UnroutableCanary

NO_DESTINATION: Final = "DestinationMissing"
INVALID_ROUTE: Final = "InvalidRoute"
FOREIGN: Final = "ControlledByAnother"
ODD_OBJECT: Final = "OddObject"
NO_SELECTOR_LABEL: Final = "SelectorLabelMissing"


class Doing(StrEnum):
    """What was refused, in the words of the texts."""

    CREATE = "create"
    UPDATE = "update"
    READ = "get query"


def write_failed(
    canary: Canary, managed: Managed, doing: Doing, error: errors.ClientError
) -> Refusal:
    """The refusal for an object that the API server did not let us write or read."""
    return Refusal(
        role=managed.role,
        reason=error.reason or type(error).__name__,
        message=_text(canary, managed, doing, error.message),
        retriable=isinstance(error, errors.Transient | errors.Conflict),
    )


def foreign(canary: Canary, managed: Managed, holder: Foreign) -> Refusal:
    """The refusal for an object that somebody else controls."""
    cause = f"it is controlled by {holder}: choose another name, or remove its owner"
    return _not_updated(canary, managed, FOREIGN, cause)


def unreadable(canary: Canary, managed: Managed, odd: Exception) -> Refusal:
    """The refusal to write over an object whose shape nobody expects."""
    return _not_updated(canary, managed, ODD_OBJECT, f"it cannot be read: {odd!r:.200}")


def no_destination(canary: Canary, managed: Managed, missing: Iterable[str]) -> Refusal:
    """The refusal to lead requests to Services that do not exist (`missing` are their roles)."""
    by_role = {
        ServiceRole.PRIMARY: names.primary_service(canary),
        ServiceRole.CANARY: names.canary_service(canary),
    }
    absent = " and ".join(f"service {by_role[ServiceRole(role)]}" for role in missing)
    return _not_updated(canary, managed, NO_DESTINATION, f"{absent} does not exist")


def unroutable(managed: Managed, error: UnroutableCanary) -> Refusal:
    """The refusal for a canary whose manifest cannot be turned into a route."""
    message = f"reconcile{managed.resource.kind} failed: {error}"
    return Refusal(managed.role, INVALID_ROUTE, message, retriable=False)


def unselectable(canary: Canary) -> Refusal:
    """The refusal for a target that Services cannot select."""
    target = canary.spec.target_ref
    message = (
        f"getSelectorLabel failed: {target.kind.lower()} {target.name}.{canary.namespace} "
        "spec.selector.matchLabels has none of the selector labels"
    )
    return Refusal(ServiceRole.CANARY, NO_SELECTOR_LABEL, message, retriable=False)


def _not_updated(canary: Canary, managed: Managed, reason: str, cause: str) -> Refusal:
    message = _text(canary, managed, Doing.UPDATE, cause)
    return Refusal(managed.role, reason, message, retriable=False)


def _text(canary: Canary, managed: Managed, doing: Doing, cause: str) -> str:
    kind = managed.resource.kind
    if managed.resource == resources.SERVICES:
        return f"reconcileService failed: service {managed.name} {doing} error: {cause}"
    label = f"{kind} {managed.name}.{canary.namespace}"
    if managed.resource == resources.VIRTUAL_SERVICES and doing is Doing.UPDATE:
        return f"{label} update failed: {cause}"
    return f"reconcile{kind} failed: {label} {doing} error: {cause}"
