"""Fixtures of the scheduler's tests."""

import pytest

from tests.unit.scheduler.worlds import Setting


@pytest.fixture
def setting() -> Setting:
    """An empty cluster, Redis and queue, on one manual clock."""
    return Setting()
