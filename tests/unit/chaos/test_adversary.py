"""The adversary's deck: every kind of strike has its turn, whatever the seed."""

import random

from tests.chaos.adversary import STRIKES, Deck, Strike


def test_nothing_is_dealt_again_before_all_else_was() -> None:
    """For any seed; a card for which there was no use comes last."""
    for seed in range(20):
        deck: Deck[Strike] = Deck(random.Random(seed), STRIKES)
        for _ in range(2):
            postponed = deck.deal()
            deck.put_back(postponed)
            dealt = [deck.deal() for _ in STRIKES]
            assert sorted(dealt, key=STRIKES.index) == list(STRIKES)
            assert dealt[-1] is postponed


def test_the_seed_tells_the_order() -> None:
    """A run is repeated by it, as far as machines allow."""
    orders = set()
    for seed in range(20):
        first, again = (Deck(random.Random(seed), range(9)) for _ in range(2))
        order = tuple(first.deal() for _ in range(9))
        assert order == tuple(again.deal() for _ in range(9))
        orders.add(order)
    assert len(orders) > 15
