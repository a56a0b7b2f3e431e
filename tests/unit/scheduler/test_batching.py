"""How many canaries travel in one job: the more is due, the more."""

import pytest

from config.ranks import Rank
from config.refs import CanaryRef
from scheduler import batching


def refs(count: int) -> list[CanaryRef]:
    """So many canaries."""
    return [CanaryRef("shop", f"app-{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("rank", "due", "sizes"),
    [
        (Rank.CHECK, 1, [1]),
        (Rank.CHECK, 50, [50]),
        (Rank.CHECK, 120, [50, 50, 20]),
        (Rank.CHECK, 240, [60] * 4),
        (Rank.RESYNC, 1000, [100] * 10),
        (Rank.INITIALIZATION, 60, [25, 25, 10]),
        (Rank.INITIALIZATION, 1000, [25] * 40),
    ],
)
def test_batches_grow_with_what_is_due(rank: Rank, due: int, sizes: list[int]) -> None:
    """A batch costs a message and a query; initialisations are many writes each."""
    found = batching.batches({rank: refs(due)})
    assert [len(batch.refs) for batch in found] == sizes
    assert [ref for batch in found for ref in batch.refs] == refs(due)


def test_a_batch_is_of_one_rank() -> None:
    """An urgent one never waits for others in its job."""
    first, *others = refs(4)
    found = batching.batches({Rank.ROLLBACK: [first], Rank.INITIALIZATION: others})
    assert found == [(Rank.ROLLBACK, [first]), (Rank.INITIALIZATION, others)]
