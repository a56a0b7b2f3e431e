"""How people name a canary on the command line. Pure."""

from __future__ import annotations

import re
from typing import Final

from cli import exits
from config.refs import CanaryRef

_KINDS: Final = frozenset({"canary", "canaries", "canary.flagger.app", "canaries.flagger.app"})
_FORM: Final = "NAME, NAMESPACE/NAME or canary/NAME"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""What the API server takes for the name of an object."""


def canary(text: str, here: str, given: str | None = None) -> CanaryRef:
    """The canary that `text` names, in the namespace `here` unless it says another.

    `given` is the namespace of --namespace, if any. A first part that is the kind is no namespace:
    one that is called `canary` is asked for by --namespace. Raises Unusable.
    """
    first, slash, rest = text.partition("/")
    if slash and first not in _KINDS:
        if given not in {None, first}:
            raise exits.Unusable(f"{text!r} is in namespace {first}, and --namespace is {given}")
        ref = CanaryRef(first, rest)
    else:
        ref = CanaryRef(given or here, rest if slash else first)
    if not all(map(_NAME.fullmatch, ref)):
        raise exits.Unusable(f"{text!r} names no canary: allowed are {_FORM}")
    return ref
