"""The version of the state that a status shows, by which one that is older is known. Pure.

A condition, since Flagger's definitions prune every field of a status that they do not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

RECORDED: Final = "Recorded"
"""Type of the condition; its reason is the version."""

_VERSION: Final = re.compile(r"Version(\d{1,15})")
"""What Lua can count exactly has fifteen digits."""


def version(status: Mapping[str, Any]) -> int:
    """The version of the state that a status shows; 0 for one that is not ours."""
    conditions = status.get("conditions") or ()
    reasons = (str(each.get("reason") or "") for each in conditions if each.get("type") == RECORDED)
    read = _VERSION.fullmatch(next(reasons, ""))
    return int(read[1]) if read else 0
