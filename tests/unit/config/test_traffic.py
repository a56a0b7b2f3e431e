"""Which side answers which requests, and whether a move gives a side more of them."""

from dataclasses import replace
from typing import Final

import pytest

from config.traffic import (
    ALL_TO_CANARY,
    ALL_TO_PRIMARY,
    Affinity,
    Aspect,
    Comparison,
    Criterion,
    Mirror,
    TrafficSplit,
)


def chosen(name: str) -> tuple[tuple[Criterion, ...], ...]:
    """The requests with this header."""
    return ((Criterion(Aspect.HEADER, name, Comparison.EXACT, "1"),),)


INSIDERS: Final = replace(ALL_TO_CANARY, match=chosen("insider"))
GUESTS: Final = replace(ALL_TO_CANARY, match=chosen("guest"))
PINNED: Final = replace(ALL_TO_PRIMARY, pinned=chosen("beta"))
COPIES: Final = TrafficSplit.of(0, mirror=Mirror())

MOVES: Final[dict[str, tuple[TrafficSplit, TrafficSplit, bool, bool]]] = {
    "a higher weight": (TrafficSplit.of(20), TrafficSplit.of(40), True, False),
    "the same weight": (TrafficSplit.of(20), TrafficSplit.of(20), False, False),
    "the beginning of an A/B test": (ALL_TO_PRIMARY, INSIDERS, True, False),
    "from some to all": (INSIDERS, ALL_TO_CANARY, True, False),
    "from all by weight to some": (TrafficSplit.of(50), INSIDERS, True, True),
    "to other requests": (INSIDERS, GUESTS, True, True),
    "requests that are pinned": (ALL_TO_PRIMARY, PINNED, True, False),
    "pinned requests beside a lower weight": (
        TrafficSplit.of(20),
        PINNED.weighing(10),
        True,
        True,
    ),
    "pinned requests beside everybody": (ALL_TO_CANARY, PINNED.weighing(100), False, False),
    "copies, which the primary answers": (ALL_TO_PRIMARY, COPIES, False, False),
    "no more copies": (COPIES, ALL_TO_PRIMARY, False, False),
    "cookies, which follow the weights": (
        TrafficSplit.of(20),
        replace(TrafficSplit.of(20), affinity=Affinity("a=b")),
        False,
        False,
    ),
}


@pytest.mark.parametrize(("before", "after", "canary", "primary"), MOVES.values(), ids=MOVES)
def test_a_move_gives_a_side_more_of_some_requests(
    before: TrafficSplit, after: TrafficSplit, canary: bool, primary: bool
) -> None:
    """Either side, both or none."""
    assert after.gives_canary_more(before) is canary
    assert before.gives_canary_more(after) is primary
