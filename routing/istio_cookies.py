"""Cookies in a VirtualService: who gets which, and where those who have one are led.

Pure. Rules: docs/compatibility/routing.md, "Session affinity".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from config import derived
from config.api.canary import Canary
from config.traffic import Affinity, Aspect, Comparison, Criterion, Match
from routing import istio_sides
from routing.istio_sides import Side

Rule = Mapping[str, Any]

DAY: Final = 86400
"""Seconds for which the canary's cookie lasts unless the manifest says another time."""

EXPIRED: Final = -1
"""`Max-Age` of a cookie that is taken back."""

_SET_COOKIE: Final = "Set-Cookie"
_COOKIE: Final = "Cookie"


def holders(cookie: str) -> Match:
    """The requests that carry `cookie`, a text `name=value`, among others or alone."""
    pattern = rf"(.*;\s*)?{re.escape(cookie)}(;.*)?"
    return (Criterion(Aspect.HEADER, _COOKIE, Comparison.REGEX, pattern),)


def handed_out(
    canary: Canary, cookies: Affinity, destinations: Iterable[Rule]
) -> list[dict[str, Any]]:
    """The `destinations`, primary then canary, each giving out its cookie where there is one."""
    affinity = canary.spec.analysis.session_affinity
    interval = derived.interval(canary, floor=timedelta(0))
    lives = (
        (cookies.primary, int(interval.total_seconds())),
        (cookies.canary, (affinity and affinity.max_age) or DAY),
    )
    return [
        _handing_out(canary, each, *cookie)
        for each, cookie in zip(destinations, lives, strict=True)
    ]


def _handing_out(canary: Canary, destination: Rule, cookie: str, seconds: int) -> dict[str, Any]:
    if not cookie:
        return dict(destination)
    return {**destination, "headers": _adding({}, _text(canary, cookie, seconds))}


def taken_back(canary: Canary, headers: Mapping[str, Any], cookie: str) -> dict[str, Any]:
    """The `headers` of a rule that also take `cookie` back."""
    return _adding(headers, _text(canary, cookie, EXPIRED))


def read(canary: Canary, rules: Iterable[Rule], shared: Rule) -> Affinity | None:
    """The cookies that the rule which is `shared` gives out, and that which `rules` take back."""
    by_side = {
        istio_sides.side_of(canary, entry["destination"]): _cookie(entry)
        for entry in shared["route"]
    }
    cookies = Affinity(
        canary=by_side.get(Side.CANARY, ""),
        primary=by_side.get(Side.PRIMARY, ""),
        expired=next(filter(None, map(_expired, rules)), ""),
    )
    return cookies if cookies != Affinity() else None


def _adding(headers: Mapping[str, Any], text: str) -> dict[str, Any]:
    """`headers` with a cookie in the response, beside what else they say."""
    response = headers.get("response") or {}
    added = {**(response.get("add") or {}), _SET_COOKIE: text}
    return {**headers, "response": {**response, "add": added}}


def _text(canary: Canary, cookie: str, seconds: int) -> str:
    """The cookie with its attributes. One is taken back where it was set: by domain and path."""
    affinity = canary.spec.analysis.session_affinity
    attributes = {
        "Domain": affinity and affinity.domain,
        "HttpOnly": affinity and affinity.http_only,
        "Partitioned": affinity and affinity.partitioned,
        "Path": affinity and affinity.path,
        "SameSite": affinity and affinity.same_site,
        "Secure": affinity and affinity.secure,
    }
    said = [
        name if value is True else f"{name}={value}" for name, value in attributes.items() if value
    ]
    return "; ".join([cookie, f"Max-Age={seconds}", *said])


def _added(part: Mapping[str, Any]) -> str:
    """The cookie that a rule or a destination adds to responses, with its attributes."""
    headers = part.get("headers") or {}
    return str(((headers.get("response") or {}).get("add") or {}).get(_SET_COOKIE) or "")


def _cookie(part: Mapping[str, Any]) -> str:
    return _added(part).partition(";")[0]


def _expired(rule: Rule) -> str:
    """The cookie that `rule` takes back from those who have it; empty when it is none such."""
    cookie, _, rest = _added(rule).partition(";")
    if f"Max-Age={EXPIRED}" not in rest:
        return ""
    (holder,) = holders(cookie)
    carried = ((entry.get("headers") or {}).get(_COOKIE) for entry in rule.get("match") or ())
    return cookie if {"regex": holder.text} in carried else ""
