"""What a version of ours keeps in Redis and in queues: written once per release, read for ever.

`python -m tests.golden.documents` writes those of the present version, which is done when it is
released and never again: `tests/scenarios/test_upgrade.py` has rollouts begin with them.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from clients.kube import resources
from clients.redis.records import Asked
from config.refs import CanaryRef
from tasks import queues
from tasks.messages import HookMessage, NudgeMessage
from tests.fakes import memory_redis
from tests.stage import rollouts
from tests.stage.stage import REF, Stage
from tests.unit.analysis.worlds import a_manifest

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parents[1]
UID: Final = "UID-OF-THE-CANARY"
WEIGHT: Final = 40
"""Of the canary whose documents these are."""

SHOP: Final = (CanaryRef("shop", "cart"), CanaryRef("shop", "till"))
CALLS: Final = tuple(Asked(ref, 7, "spec.analysis.webhooks[0]") for ref in SHOP)
MESSAGES: Final[Mapping[str, NudgeMessage | HookMessage]] = {
    f"{task} of one": NudgeMessage(SHOP[:1]) for task in (queues.TICK, queues.ROUTE)
} | {
    f"{queues.TICK} of several": NudgeMessage(SHOP),
    f"{queues.WORKLOAD} of several, if due": NudgeMessage(SHOP, if_due=True),
    f"{queues.STATUS} of one, if due": NudgeMessage(SHOP[:1], if_due=True),
    f"{queues.CALL} of one": HookMessage(CALLS[:1]),
    f"{queues.CALL} of several": HookMessage(CALLS),
}
"""One of each form, by its task."""

Stored = Mapping[str, Any]
"""Key to its value: a text, a hash, a list, pairs of a sorted set, or entries of a stream."""


def present() -> str:
    """The version of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def versions() -> list[str]:
    """Those whose documents are kept."""
    return sorted(each.name for each in FOLDER.iterdir() if (each / "redis.json").is_file())


def under_way() -> Stage:
    """A rollout of `cart:2`, at its second step and with nothing left to do for now."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), WEIGHT)
    stage.settle()
    return stage


def stored(stage: Stage) -> Stored:
    """All that Redis holds of the stage, with its canary's uid by a name of its own."""
    reading: Mapping[str, Callable[[str], Any]] = {
        "string": stage.redis.get,
        "hash": stage.redis.hgetall,
        "zset": lambda key: stage.redis.zrange(key, 0, -1, withscores=True),
        "stream": stage.redis.xrange,
        "list": lambda key: stage.redis.lrange(key, 0, -1),
    }
    kinds = {key: _kind(stage.redis, key) for key in sorted(stage.redis.scan_iter())}
    found = {key: reading[kind](key) for key, kind in kinds.items()}
    documents: Stored = json.loads(json.dumps(found).replace(_uid(stage), UID))
    return documents


def put(stage: Stage, documents: Stored) -> None:
    """Has the stage's Redis hold `documents` and nothing else, as after a restart of it."""
    stage.bag.messages.clear()
    memory_redis.fail_over(stage.redis, {})
    texts = json.dumps(documents).replace(UID, _uid(stage))
    for key, value in json.loads(texts).items():
        match value:
            case str():
                stage.redis.set(key, value)
            case dict():
                stage.redis.hset(key, mapping=value)
            case [[str(), dict()], *_]:
                for entry, fields in value:
                    stage.redis.xadd(key, fields, id=entry)
            case [[str(), float() | int()], *_]:
                stage.redis.zadd(key, dict(value))
            case _:
                raise AssertionError(f"{key}: {value!r:.80}")


def _kind(redis: Any, key: str) -> str:
    """The type of its value; the stubs of redis-py have none for this command."""
    return str(redis.type(key))


def _uid(stage: Stage) -> str:
    canary = stage.kube.get(resources.CANARIES, REF.namespace, REF.name)
    return str(canary["metadata"]["uid"])


def read(version: str, name: str) -> Any:
    """A file of that version."""
    return json.loads((FOLDER / version / f"{name}.json").read_text("utf-8"))


def write() -> None:
    """Writes those of the present version. Raises FileExistsError: they are never changed."""
    folder = FOLDER / present()
    folder.mkdir()
    messages = {name: message.dump() for name, message in MESSAGES.items()}
    for name, documents in (("messages", messages), ("redis", stored(under_way()))):
        text = json.dumps(documents, indent=1, sort_keys=True)
        (folder / f"{name}.json").write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    write()
