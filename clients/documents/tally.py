"""What is counted of one canary for Prometheus: the document `tally`.

A commit adds to it in the same step in which its decision becomes true, so that nothing is counted
twice or not at all, whoever restarts. It ends with the canary, or with a Redis that loses it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Of the durations, in seconds: Flagger's, which are those of Prometheus' client libraries."""

COMPLETED: Final = "completed"
SKIPPED: Final = "skipped"
"""What became of the analysis, in Flagger's words."""

_SECONDS: Final = "seconds"
_CHECKS: Final = "checks"
_WITHIN: Final = "within:"
_SUCCESSES: Final = "success:"
_FAILURES: Final = "failure:"
_BEYOND: Final = "+Inf"

Ends = Mapping[tuple[str, str], int]
"""How many rollouts ended so, by strategy and whether they were analysed or the analysis skipped"""


@dataclass(frozen=True, slots=True)
class Ended:
    """A rollout that ended just now."""

    well: bool
    strategy: str
    is_skipped: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """What one decision adds; `checks` take the place of those of before, None keeps them.

    `seconds` is how long an analysis took, None when there was none.
    """

    ended: Ended | None = None
    seconds: float | None = None
    checks: Mapping[str, float] | None = None

    @property
    def additions(self) -> dict[str, str]:
        """By how much which fields of the hash grow."""
        ended, seconds = self.ended, self.seconds
        added = {}
        if ended is not None:
            status = SKIPPED if ended.is_skipped else COMPLETED
            prefix = _SUCCESSES if ended.well else _FAILURES
            added[f"{prefix}{ended.strategy}:{status}"] = "1"
        if seconds is not None:
            added[_SECONDS] = f"{seconds:.6f}"
            index = bisect_left(BOUNDS, seconds)
            added[f"{_WITHIN}{BOUNDS[index] if index < len(BOUNDS) else _BEYOND}"] = "1"
        return added

    @property
    def text(self) -> str:
        """The checks as they are kept; empty for None."""
        if self.checks is None:
            return ""
        return json.dumps({name: str(value) for name, value in self.checks.items()})


NOTHING: Final = Counted()


@dataclass(frozen=True, slots=True)
class Tally:
    """All that was counted; `within` how many analyses took so long, by bound, not summed up."""

    successes: Ends = field(default_factory=dict)
    failures: Ends = field(default_factory=dict)
    within: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    seconds: float = 0.0
    checks: Mapping[str, float] = field(default_factory=dict)


def decode(stored: Mapping[str, str]) -> Tally:
    """What a hash holds. Raises ValueError or TypeError for what was not counted here."""
    bounds = (*BOUNDS, _BEYOND)
    checks = dict(json.loads(stored.get(_CHECKS, "{}")))
    return Tally(
        _ends(stored, _SUCCESSES),
        _ends(stored, _FAILURES),
        tuple(int(stored.get(f"{_WITHIN}{bound}", 0)) for bound in bounds),
        float(stored.get(_SECONDS, 0)),
        {str(name): float(value) for name, value in checks.items()},
    )


def _ends(stored: Mapping[str, str], prefix: str) -> Ends:
    named = ((name.split(":"), count) for name, count in stored.items() if name.startswith(prefix))
    return {(strategy, status): int(count) for (_, strategy, status), count in named}
