"""What befalls everybody on a stage: the API server, Redis, leaders, workers, and time."""

from datetime import timedelta
from typing import Final

from clients import errors
from tests.fakes import memory_redis
from tests.fakes.faults import Fault
from tests.stage.troubled import TroubledStage


def fail(stage: TroubledStage) -> None:
    """The next request of a kind fails, perhaps after it was carried out."""
    chance = stage.chance
    resource = chance.choice(["virtualservices", "deployments", "canaries", "events", "services"])
    error = chance.choice([errors.Transient("away", status=500), errors.Conflict("busy")])
    after = chance.random() < 0.3
    stage.door.faults.add(Fault(error, resource=resource, after=after))


def hide_redis(stage: TroubledStage) -> None:
    """Redis does not answer for some time."""
    span = timedelta(seconds=stage.chance.choice([0.5, 4, 12]))
    stage.workers.redis_away_until = stage.clock.now() + span


def flush(stage: TroubledStage) -> None:
    """Redis is emptied."""
    stage.losses += 1
    stage.forget_everything()


def fail_over(stage: TroubledStage) -> None:
    """Redis comes back as it was some time ago."""
    copy = memory_redis.copied(stage.redis)
    stage.wait(timedelta(seconds=stage.chance.choice([0.2, 3, 40])))
    stage.losses += 1
    stage.fail_over(copy)


def replace_leader(stage: TroubledStage) -> None:
    """Another one leads."""
    stage.replace_leader()


def kill(stage: TroubledStage) -> None:
    """A worker that stalls is killed."""
    if stage.workers.parked:
        stage.workers.kill(stage.chance.choice(stage.workers.parked))


def relist(stage: TroubledStage) -> None:
    """The API server has forgotten the versions that watches began from."""
    stage.kube.compact()


def pass_time(stage: TroubledStage) -> None:
    """Some time passes."""
    stage.wait(timedelta(seconds=stage.chance.choice([1, 9, 31, 70])))


ALL: Final = (fail, hide_redis, flush, fail_over, replace_leader, kill, relist)
