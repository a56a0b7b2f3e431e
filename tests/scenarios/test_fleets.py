"""Several canaries through real Celery workers in batches: each as if it were alone."""

from datetime import timedelta

import pytest

from clients import errors
from tests.fakes.faults import Fault
from tests.services.valkey import Valkey
from tests.stage import fleet, measuring
from tests.stage.workers import on_celery
from tests.unit.analysis.worlds import a_manifest

FORBIDDEN = errors.Permanent("virtualservices is forbidden", status=403, reason="Forbidden")
LONG = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("source", "end", "image"),
    [(measuring.healthy, "Succeeded", "app:2"), (measuring.failing, "Failed", "cart:1")],
)
def test_a_fleet_is_rolled_out_in_few_jobs(
    valkey: Valkey, source: measuring.Source, end: str, image: str
) -> None:
    """Checks that are due together are made in one job; each canary has its own end."""
    with on_celery(valkey.url) as stage:
        fleet.deployed(stage, a_manifest())
        stage.run(lambda on: set(fleet.phases(on).values()) == {"Initialized"}, within=LONG)
        stage.meters.source = source
        fleet.released(stage)
        stage.run(lambda on: set(fleet.phases(on).values()) == {"Progressing"}, within=LONG)
        sent = stage.sent
        stage.run(lambda on: set(fleet.phases(on).values()) == {end}, within=LONG)
        promoted = {stage.image(f"{fleet.target(name)}-primary") for name in fleet.NAMES}
        assert promoted == {image}
        per_check = (stage.sent - sent) / len(stage.meters.asked)
        assert per_check < 3, "jobs per check: three without batches"


def test_a_canary_that_cannot_be_written_holds_up_none_of_its_batch(valkey: Valkey) -> None:
    """Its route is refused for as long as the others take."""
    odd = fleet.target(fleet.NAMES[2])
    with on_celery(valkey.url) as stage:
        fleet.deployed(stage, a_manifest())
        stage.run(lambda on: set(fleet.phases(on).values()) == {"Initialized"}, within=LONG)
        fault = Fault(FORBIDDEN, "patch", "virtualservices", name=odd, times=10**6)
        stage.door.faults.add(fault)
        fleet.released(stage)
        stage.run(lambda on: "Succeeded" in set(fleet.phases(on).values()), within=LONG)
        stage.wait(timedelta(minutes=1))
        shown = fleet.phases(stage)
        assert shown.pop(fleet.NAMES[2]) == "Progressing"
        assert set(shown.values()) == {"Succeeded"}
