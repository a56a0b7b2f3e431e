"""The strategies: one module each, one registry line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from analysis.strategies.ab_testing import ABTesting
from analysis.strategies.blue_green import BlueGreen
from analysis.strategies.strategy import Step, Strategy
from analysis.strategies.weights import Weights
from config import derived
from config.api.canary import Canary
from config.derived import StrategyKind

__all__ = ["STRATEGIES", "NoStrategy", "Step", "Strategies", "Strategy"]


class NoStrategy(ValueError):
    """A kind of rollout that nothing here carries out; the message lists those that are."""

    def __init__(self, kind: StrategyKind, known: Iterable[StrategyKind]) -> None:
        super().__init__(f"strategy {kind} is not carried out; known are {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Strategies:
    """A registry of strategies by kind."""

    by_kind: Mapping[StrategyKind, Strategy]

    @classmethod
    def of(cls, *strategies: Strategy) -> Self:
        """The registry of `strategies`. Raises ValueError when two are of one kind."""
        by_kind = {strategy.kind: strategy for strategy in strategies}
        if len(by_kind) < len(strategies):
            raise ValueError("two strategies of one kind; allowed is one")
        return cls(MappingProxyType(by_kind))

    def chosen(self, canary: Canary) -> Strategy:
        """The strategy of `canary`; where the analysis is skipped it takes no steps, and any does.

        Raises NoStrategy.
        """
        if canary.spec.skip_analysis:
            return _WEIGHTS
        kind = derived.strategy_kind(canary)
        if kind not in self.by_kind:
            raise NoStrategy(kind, self.by_kind)
        return self.by_kind[kind]


_WEIGHTS: Final = Weights()

STRATEGIES: Final = Strategies.of(_WEIGHTS, ABTesting(), BlueGreen())
"""Those of this application."""
