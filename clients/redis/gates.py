"""Gates in Redis, shared by all replicas of the load tester."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from clients.gates import LIMIT, Gate, GateId, GateKind, TooManyGates
from clients.redis import keys
from clients.redis.scripts import Door, Invocation, translated
from config import moments
from config.refs import ObjectRef


class RedisGates:
    """One hash: a field for each gate, see `keys.GATES`."""

    def __init__(self, door: Door, limit: int = LIMIT) -> None:
        self._door: Final = door
        self._limit: Final = limit

    def put(self, gate: Gate) -> None:
        """Keeps `gate`, with the time of the server."""
        gate = replace(gate, at=self._door.now())
        arguments = (_field(gate.id), _encoded(gate), self._limit)
        if not self._door.run(Invocation("put_gate", None, (keys.GATES,), arguments, bool)):
            raise TooManyGates(self._limit)

    def is_open(self, gate: GateId) -> bool:
        """Whether it is."""
        with translated("reading a gate"):
            text = self._door.client.hget(keys.GATES.pattern, _field(gate))
        return text is not None and _decoded(gate, text).is_open

    def all(self) -> list[Gate]:
        """Those that were ever opened or closed and are not forgotten."""
        with translated("reading the gates"):
            fields = self._door.client.hgetall(keys.GATES.pattern)
        return [_decoded(_id(field), text) for field, text in fields.items()]


def _field(gate: GateId) -> str:
    return json.dumps([gate.kind, gate.ref.namespace, gate.ref.name])


def _id(field: str) -> GateId:
    kind, namespace, name = json.loads(field)
    return GateId(GateKind(kind), ObjectRef(namespace, name))


def _encoded(gate: Gate) -> str:
    return json.dumps(
        {
            "open": gate.is_open,
            "at": moments.milliseconds(gate.at),
            "who": gate.who,
            "address": gate.address,
            "why": gate.why,
        }
    )


def _decoded(gate: GateId, text: str) -> Gate:
    kept = json.loads(text)
    return Gate(
        gate, kept["open"], kept["who"], kept["address"], kept["why"], moments.at(kept["at"])
    )
