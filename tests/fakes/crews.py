"""Crews for tests of one service."""

from clients.redis.store import Store
from tasks.batch import Crew
from tests.stage.bag import Bag
from tests.stage.measuring import Meters


def a_crew(store: Store) -> Crew:
    """A crew over `store` whose messages go nowhere."""
    return Crew(store, Meters(), Bag())
