"""Names for tests in which several leaders share out the namespaces."""

import itertools

from config.refs import CanaryRef
from config.shards import Shard


def parts(count: int) -> list[Shard]:
    """All shards of so many."""
    return [Shard(index, count) for index in range(count)]


def in_shard(shard: Shard, name: str = "cart") -> CanaryRef:
    """A canary in the first namespace of a shard."""
    return CanaryRef(next(filter(shard.owns, map("ns-{}".format, itertools.count()))), name)
