"""Which contents of ConfigMaps and Secrets a workload runs with, and so which release it is. Pure.

A leader tells versions, workers tell what they have read at which version; here the two are put
together. Whoever refers to something that is not known, or not there, has no known revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from clients.documents import world as worlds
from clients.documents.configs import ConfigRef, Content
from clients.documents.world import WorkloadView, World
from config import well_known
from workloads import revision

_SUFFIX: Final = well_known.PRIMARY_SUFFIX


@dataclass(frozen=True, slots=True)
class Release:
    """What a workload runs: its revision, and the digests of its tracked configs by key.

    The keys are those of the target, for a primary as well. `missing` and `unread` are the keys of
    those that are not there and must be, and of those that are to be read: with any of them,
    `revision` is empty.
    """

    revision: str
    digests: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def tracked(view: WorkloadView, role: str) -> tuple[ConfigRef, ...]:
    """What decides over the release of a workload: of a primary, the copies made for it."""
    if role == worlds.TARGET:
        return view.configs
    return tuple(ref for ref in view.configs if ref.name.endswith(_SUFFIX))


def release(
    view: WorkloadView,
    role: str,
    contents: Mapping[str, Content],
    versions: Mapping[str, str] | None = None,
) -> Release:
    """What the viewed workload runs; `versions` as in `World.configs`."""
    digests: dict[str, str] = {}
    missing, unread = list[str](), list[str]()
    for ref in tracked(view, role):
        content = contents.get(ref.key)
        if content is None or _is_outdated(content, (versions or {}).get(ref.key)):
            unread.append(ref.key)
        elif content.is_missing and role == worlds.TARGET:
            missing += () if ref.optional else (ref.key,)
        elif content.digest or content.is_missing:  # a copy that is gone is not as it was made
            digests[_original(ref, role)] = content.digest
    if missing or unread:
        return Release("", {}, tuple(missing), tuple(unread))
    held = revision.with_configs(view.revision, digests)
    if role == worlds.PRIMARY and digests:
        held = revision.of_primary(held, view.pod_id)
    return Release(held, digests)


def releases(world: World) -> Mapping[str, Release]:
    """What target and primary run, as far as they are there."""
    views = {worlds.TARGET: world.target, worlds.PRIMARY: world.primary}
    contents, versions = world.contents or {}, world.configs
    return {
        role: release(view, role, contents, versions)
        for role, view in views.items()
        if view is not None
    }


def unread(world: World) -> tuple[str, ...]:
    """The keys of what is to be read before the revisions in `world` are known."""
    return _each(key for each in releases(world).values() for key in each.unread)


def wanted(world: World) -> tuple[str, ...]:
    """The keys of all that decides over a release in `world`."""
    views = {worlds.TARGET: world.target, worlds.PRIMARY: world.primary}
    refs = (ref for role, view in views.items() if view for ref in tracked(view, role))
    return _each(ref.key for ref in refs)


def _original(ref: ConfigRef, role: str) -> str:
    """The key of what `ref` names, or is a copy of."""
    return ref.key if role == worlds.TARGET else ref.key.removesuffix(_SUFFIX)


def _is_outdated(content: Content, told: str | None) -> bool:
    """Whether the watch tells of another version than was read, and not of an older one."""
    if told is None or told == content.version:
        return False
    both = told.isdecimal() and content.version.isdecimal()
    return not both or int(told) > int(content.version)


def _each(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(keys)))
