"""Rules of users in a VirtualService of ours: theirs are those with a name that lead elsewhere.

Pure. Rules: docs/compatibility/routing.md, "Istio".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from config import names
from config.api.canary import Canary

Rule = Mapping[str, Any]


class Parts(NamedTuple):
    """The rules of a live VirtualService: `ours`, and those of users on both sides of them."""

    before: Sequence[Rule]
    ours: Sequence[Rule]
    after: Sequence[Rule]


def parted(canary: Canary, live: Sequence[Rule]) -> Parts:
    """Whose rules these are; without any of ours, all others come before them."""
    theirs = [_is_users(canary, rule) for rule in live]
    first = theirs.index(False) if False in theirs else len(live)
    users = [rule for rule, is_theirs in zip(live, theirs, strict=True) if is_theirs]
    ours = [rule for rule, is_theirs in zip(live, theirs, strict=True) if not is_theirs]
    return Parts(users[:first], ours, users[first:])


def _is_users(canary: Canary, rule: Rule) -> bool:
    """Whether a rule has a name, as ours have not, and leads to none of the canary's Services."""
    routes = rule.get("route") or ()
    hosts = {str((entry.get("destination") or {}).get("host")) for entry in routes}
    return bool(rule.get("name")) and not hosts & _hosts(canary)


def _hosts(canary: Canary) -> set[str]:
    """What the Services of the canary are called, with and without their namespace."""
    services = (
        names.apex_name(canary),
        names.primary_service(canary),
        names.canary_service(canary),
    )
    place = canary.namespace
    forms = ("", f".{place}", f".{place}.svc", f".{place}.svc.cluster.local")
    return {f"{service}{form}" for service in services for form in forms}
