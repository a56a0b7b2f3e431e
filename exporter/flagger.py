"""Flagger's metrics about canaries, with its names, labels and values.

They rest on what the leader has seen, and on what commits have counted in Redis: whoever leads
next goes on with the same counters. Of a canary that is gone there is nothing. Source:
docs/compatibility/metrics.md, "Exported metrics".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from analysis.phases import Phase
from clients.documents.tally import COMPLETED, Tally
from config.refs import CanaryRef
from config.traffic import TOTAL_WEIGHT
from config.well_known import PRIMARY_SUFFIX
from exporter import table
from exporter.exposition import family, histogram
from scheduler.entries import Standing

_STATUS: Final = {Phase.PROGRESSING.value: 0, Phase.FAILED.value: 2}
_ANY_OTHER: Final = 1


def seen(census: Iterable[Standing]) -> Iterator[str]:
    """What the statuses of the canaries show."""
    total: Counter[tuple[str, ...]] = Counter()
    status: dict[tuple[str, ...], float] = {}
    weight: dict[tuple[str, ...], float] = {}
    for each in census:
        namespace, phase = each.ref.namespace, each.status.fields.get("phase")
        total[(namespace,)] += 1
        if not (each.target and phase):
            continue
        status[each.target, namespace] = _STATUS.get(str(phase), _ANY_OTHER)
        share = _weight(each.status.fields)
        weight[f"{each.target}{PRIMARY_SUFFIX}", namespace] = TOTAL_WEIGHT - share
        weight[each.target, namespace] = share
    yield family(table.CANARY_TOTAL, total)
    yield family(table.CANARY_STATUS, status)
    yield family(table.CANARY_WEIGHT, weight)


def counted(census: Iterable[Standing], tallies: Mapping[CanaryRef, Tally]) -> Iterator[str]:
    """What was counted of the canaries."""
    values: dict[tuple[str, ...], float] = {}
    durations: dict[tuple[str, ...], tuple[tuple[int, ...], float]] = {}
    successes: dict[tuple[str, ...], float] = {}
    failures: dict[tuple[str, ...], float] = {}
    for each in census:
        if not each.target or each.ref not in tallies:
            continue
        tally, who = tallies[each.ref], (each.target, each.ref.namespace)
        values |= {(*who, metric): value for metric, value in tally.checks.items()}
        if any(tally.within):
            durations[who] = tally.within, tally.seconds
        none = {(each.strategy, COMPLETED): 0}  # or the first one would be no increase
        successes |= {(*who, *how): count for how, count in {**none, **tally.successes}.items()}
        failures |= {(*who, *how): count for how, count in {**none, **tally.failures}.items()}
    yield family(table.METRIC_ANALYSIS, values)
    yield histogram(table.DURATION, durations)
    yield family(table.SUCCESSES, successes)
    yield family(table.FAILURES, failures)


def _weight(status: Mapping[str, Any]) -> int:
    """The canary's share; 0 for what is no percentage: anybody may write a status."""
    shown = status.get("canaryWeight")
    return shown if isinstance(shown, int) and 0 <= shown <= TOTAL_WEIGHT else 0
