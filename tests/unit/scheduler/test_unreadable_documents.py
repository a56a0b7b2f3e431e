"""A document of one canary in Redis that cannot be read stops nobody else."""

from datetime import timedelta

import pytest

from clients.kube import resources
from clients.redis import keys
from config.refs import CanaryRef
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Setting

SPOILT = CanaryRef("prod", "aaa")


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        (keys.WORLD, {"canary": "{"}),
        (keys.WORLD, {"admission": "{}"}),
        (keys.WORLD, {"target": "[]"}),
        (keys.CONFIRMED, {"v": "1", "route_seq": "many"}),
        (keys.STATE, {"version": "3", "json": "{"}),
        (keys.STATE, {"version": "3", "json": "[]"}),
    ],
)
def test_a_document_that_cannot_be_read_stops_no_leader(
    row: keys.Row, fields: dict[str | bytes, bytes | float | int | str]
) -> None:
    """Its own canary's manifest is not accepted, so that a new leader asks what was good before."""
    setting = Setting()
    for name in (SHOP.name, SPOILT.name):
        setting.create(worlds.a_canary(name))
        setting.create(worlds.a_deployment(name))
    beat = setting.beat("first")
    beat.run(timedelta(seconds=2))
    setting.edit(resources.CANARIES, SPOILT.name, {"spec": {"provider": "linkerd"}})
    beat.run(timedelta(seconds=2))
    setting.redis.hset(row.of(SPOILT), mapping=fields)
    beat.loop.close()

    beat, before = setting.beat("second"), setting.world()
    released = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "b:2"}]}}}}
    setting.edit(resources.DEPLOYMENTS, SHOP.name, released)
    beat.run(timedelta(seconds=30))
    assert setting.world() != before
    assert SHOP in setting.sent.ticks
