"""A canary at rest costs nothing but a look every few minutes, however it came to rest."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.stage import measuring, rollouts
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

HOUR = timedelta(hours=1)


def at_rest() -> Stage:
    """Initialized, without a rollout so far."""
    return initialized(a_manifest())


def succeeded() -> Stage:
    """After a promotion."""
    return rollouts.finish(rollouts.released(a_manifest()))


def failed() -> Stage:
    """After a rollback."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    return rollouts.finish(stage)


def promotion_failed() -> Stage:
    """With a primary that did not come up, and a canary that serves everything."""
    stage = rollouts.released(a_manifest(spec={"progressDeadlineSeconds": 60}))
    stage.kubelet.held.add("cart-app-primary")
    return rollouts.finish(stage)


@pytest.mark.parametrize("made", [at_rest, succeeded, failed, promotion_failed])
def test_a_canary_at_rest_is_looked_at_by_the_resync_only(made: Callable[[], Stage]) -> None:
    """Once in five minutes and a bit, so twelve times an hour at most; nothing is decided then."""
    stage = made()
    stage.wait(timedelta(minutes=6))
    version, looks = stage.store.read(REF).version, 0
    end = stage.clock.now() + HOUR
    while stage.clock.now() < end:
        stage.advance(end)
        looks += any(at <= stage.clock.now() for at in stage.store.agenda().values())
        stage.settle()

    assert 10 <= looks <= 12
    assert stage.store.read(REF).version == version
