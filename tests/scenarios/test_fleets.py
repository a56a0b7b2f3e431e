"""Several canaries through real Celery workers in batches: each as if it were alone."""

from datetime import timedelta

import pytest

from clients import errors
from clients.kube import resources
from config.refs import CanaryRef
from tests.fakes.faults import Fault
from tests.services.valkey import Valkey
from tests.stage import measuring
from tests.stage.stage import REF, Stage, a_deployment
from tests.stage.workers import on_celery
from tests.unit.analysis.worlds import a_manifest

FORBIDDEN = errors.Permanent("virtualservices is forbidden", status=403, reason="Forbidden")
LONG = timedelta(minutes=30)
NAMES = tuple(f"app-{number}" for number in range(6))


def deployed(stage: Stage) -> None:
    """Applies the canaries and their targets."""
    for name in NAMES:
        body = a_deployment()
        labels = {"app": name}
        body["metadata"]["name"] = name
        body["spec"]["selector"]["matchLabels"] = labels
        body["spec"]["template"]["metadata"] = {"labels": labels}
        stage.create(resources.DEPLOYMENTS, body)
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        manifest = a_manifest(spec={"targetRef": target})
        metadata = {"name": name, "namespace": REF.namespace}
        stage.create(resources.CANARIES, {**manifest, "metadata": metadata})


def phases(stage: Stage) -> set[str]:
    """The phases that the canaries show."""
    found = stage.kube.list(resources.CANARIES).items
    return {str((each.get("status") or {}).get("phase")) for each in found}


def released(stage: Stage) -> None:
    """All targets get another image."""
    container = {"name": "app", "image": "app:2"}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    for name in NAMES:
        stage.edit(resources.DEPLOYMENTS, name, template)


@pytest.mark.parametrize(
    ("source", "end", "image"),
    [(measuring.healthy, "Succeeded", "app:2"), (measuring.failing, "Failed", "cart:1")],
)
def test_a_fleet_is_rolled_out_in_few_jobs(
    valkey: Valkey, source: measuring.Source, end: str, image: str
) -> None:
    """Checks that are due together are made in one job; each canary has its own end."""
    with on_celery(valkey.url) as stage:
        deployed(stage)
        stage.run(lambda on: phases(on) == {"Initialized"}, within=LONG)
        stage.meters.source = source
        released(stage)
        stage.run(lambda on: phases(on) == {"Progressing"}, within=LONG)
        sent = stage.sent
        stage.run(lambda on: phases(on) == {end}, within=LONG)
        assert {stage.image(f"{name}-primary") for name in NAMES} == {image}
        per_check = (stage.sent - sent) / len(stage.meters.asked)
        assert per_check < 3, "jobs per check: three without batches"


def test_a_canary_that_cannot_be_written_holds_up_none_of_its_batch(valkey: Valkey) -> None:
    """Its route is refused for as long as the others take."""
    odd = CanaryRef(REF.namespace, NAMES[2])
    with on_celery(valkey.url) as stage:
        deployed(stage)
        stage.run(lambda on: phases(on) == {"Initialized"}, within=LONG)
        fault = Fault(FORBIDDEN, "patch", "virtualservices", name=odd.name, times=10**6)
        stage.door.faults.add(fault)
        released(stage)
        stage.run(lambda on: "Succeeded" in phases(on), within=LONG)
        stage.wait(timedelta(minutes=1))
        found = stage.kube.list(resources.CANARIES).items
        shown = {each["metadata"]["name"]: each["status"]["phase"] for each in found}
        assert shown.pop(odd.name) == "Progressing"
        assert set(shown.values()) == {"Succeeded"}
