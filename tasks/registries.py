"""Of what there are several kinds, and where more of them come from.

Built in are those of the packages. A distribution that is installed beside them adds its own by
entry points: `coalmine.routers` and `coalmine.strategies` name objects of the protocols
`routing.router.Router` and `analysis.strategies.Strategy`, `coalmine.channels` of
`notify.Channel`, and `coalmine.backends` an `analysis.backends.Factory` under the name of
its kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Final

from analysis import hooks
from analysis.backends import BACKENDS, Factory
from analysis.strategies import STRATEGIES, Strategies
from config.validation.support import CarriedOut
from notify import CHANNELS, Channel
from routing.registry import ROUTERS, Routers
from workloads import kinds


@dataclass(frozen=True, slots=True)
class Registries:
    """The registries of one process; all processes must have the same."""

    routers: Routers = ROUTERS
    strategies: Strategies = STRATEGIES
    backends: Mapping[str, Factory] = field(default_factory=lambda: BACKENDS)
    channels: tuple[Channel, ...] = CHANNELS

    @property
    def carried_out(self) -> CarriedOut:
        """What manifests may ask for."""
        return CarriedOut(
            meshes={name: each.features for name, each in self.routers.by_name.items()},
            options={name: each.options for name, each in self.routers.by_name.items()},
            strategies={kind: each.features for kind, each in self.strategies.by_kind.items()},
            hooks=hooks.CARRIED_OUT,
            targets=frozenset(kinds.KINDS),
            backends=frozenset(self.backends),
        )


BUILT_IN: Final = Registries()


def installed() -> Registries:
    """The built-in registries with what installed distributions add.

    Raises ValueError for an addition of a name or kind that is taken, and whatever the import of
    an addition raises: a canary must not be carried out by half of what it needs.
    """
    entries = metadata.entry_points()  # reads the files of every installed distribution: once
    return Registries(
        Routers.of(*ROUTERS.by_name.values(), *_added(entries, "coalmine.routers")),
        Strategies.of(*STRATEGIES.by_kind.values(), *_added(entries, "coalmine.strategies")),
        _with_backends(entries.select(group="coalmine.backends")),
        (*CHANNELS, *_added(entries, "coalmine.channels")),
    )


def _with_backends(entries: Iterable[metadata.EntryPoint]) -> Mapping[str, Factory]:
    added = {entry.name: entry.load() for entry in entries}
    if taken := BACKENDS.keys() & added:
        raise ValueError(f"metric backend {', '.join(sorted(taken))} is there already")
    return {**BACKENDS, **added}


def _added(entries: Any, group: str) -> Iterable[Any]:
    return [entry.load() for entry in entries.select(group=group)]
