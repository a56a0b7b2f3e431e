"""Redis comes back with less than it had: what was lost is stored again at once."""

from datetime import timedelta

from clients import errors
from clients.kube import resources
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Setting

RELEASED = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "shop:2"}]}}}}


def test_a_change_that_a_failover_lost_is_stored_again_when_redis_answers() -> None:
    """Though the lease survived, so that nobody else leads: not only at the next resync."""
    setting = Setting()
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    beat = setting.beat("first")
    beat.run(timedelta(seconds=2))
    before = setting.redis.dump("coalmine:{prod/shop}:world")
    setting.edit(resources.DEPLOYMENTS, "shop", RELEASED)
    beat.run(timedelta(seconds=1))
    newest = setting.world()

    setting.redis.restore("coalmine:{prod/shop}:world", 0, before, replace=True)
    assert setting.world() != newest
    fail_once(setting)
    beat.run(timedelta(seconds=3))

    assert setting.world() == newest
    assert setting.store.epoch() is not None
    assert SHOP in setting.store.agenda()


def fail_once(setting: Setting) -> None:
    """The next claim meets a server that is failing over."""
    claim = setting.store.claim

    def failing(*_: object) -> None:
        setting.store.claim = claim  # type: ignore[method-assign]
        raise errors.Transient("the connection broke")

    setting.store.claim = failing  # type: ignore[method-assign,assignment]
