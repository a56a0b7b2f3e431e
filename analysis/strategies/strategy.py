"""What a strategy is: how a rollout moves between its beginning and its promotion.

A strategy decides steps and nothing else. When a step is taken, what must hold before it, how
traffic flees from a bad canary and returns from a promoted one are the rules' business, whatever
the strategy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from analysis.events import Event
from analysis.state import RolloutState
from config.api.canary import Canary
from config.derived import StrategyKind
from config.traffic import Feature, TrafficSplit


@dataclass(frozen=True, slots=True)
class Step:
    """One move of a rollout: the traffic and the number of iterations it leads to, and its story.

    A step that leaves the traffic as it is gives the canary one more interval to be judged by. One
    that gives everybody the canary `needs_approval` like the promotion, before it.
    """

    split: TrafficSplit
    iterations: int
    events: tuple[Event, ...] = ()
    needs_approval: bool = False


class Strategy(Protocol):
    """Pure functions of a canary and the state of its rollout."""

    @property
    def kind(self) -> StrategyKind:
        """Which canaries it is for."""
        ...

    @property
    def features(self) -> frozenset[Feature]:
        """Fields of `spec.analysis` that it heeds besides its own; others are refused."""
        ...

    @property
    def confirms_increase(self) -> bool:
        """Whether `confirm-traffic-increase` hooks are asked before its steps and the promotion."""
        ...

    def has_begun(self, state: RolloutState) -> bool:
        """Whether the first step has been taken: from then on the canary is judged."""
        ...

    def next_step(self, canary: Canary, state: RolloutState) -> Step | None:
        """The step that a passed check earns, the first step included; None: the promotion."""
        ...

    def resume(self, canary: Canary, state: RolloutState, live: TrafficSplit) -> Step:
        """From where a rollout goes on whose working state was lost; without events.

        `state` holds what the status reported last, `live` is what the route says. Of both the
        more cautious counts: never more for the canary than either of them.
        """
        ...
