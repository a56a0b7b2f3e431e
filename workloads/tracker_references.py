"""The ConfigMaps and Secrets that a pod template names, and the same template with other names.

Those of volumes, projected volumes, `env` and `envFrom`, of containers and init containers. Not
those of image pull secrets, CSI volumes and ephemeral containers, which no template decides over.
Source: docs/compatibility/lifecycle.md, "ConfigMaps and Secrets".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from clients.documents.configs import ConfigKind, ConfigRef

Rename = Callable[[ConfigRef], str]
"""The name to be written for a reference."""

_Fields = Mapping[str, tuple[ConfigKind, str]]
"""Field that holds a reference, to the kind it is to and the field with the name."""

_VOLUME: Final[_Fields] = {
    "configMap": (ConfigKind.CONFIG_MAP, "name"),
    "secret": (ConfigKind.SECRET, "secretName"),
}
_SOURCE: Final[_Fields] = {
    "configMap": (ConfigKind.CONFIG_MAP, "name"),
    "secret": (ConfigKind.SECRET, "name"),
}
_ENV_VALUE: Final[_Fields] = {
    "configMapKeyRef": (ConfigKind.CONFIG_MAP, "name"),
    "secretKeyRef": (ConfigKind.SECRET, "name"),
}
_ENV_FROM: Final[_Fields] = {
    "configMapRef": (ConfigKind.CONFIG_MAP, "name"),
    "secretRef": (ConfigKind.SECRET, "name"),
}


def referenced(pod: Mapping[str, Any]) -> tuple[ConfigRef, ...]:
    """What a pod spec names, each once, in order; optional where every mention is."""
    refs: dict[str, ConfigRef] = {}

    def note(ref: ConfigRef) -> str:
        known = refs.get(ref.key, ref)
        refs[ref.key] = known if ref.optional else ref
        return ref.name

    renamed(pod, note)
    return tuple(sorted(refs.values()))


def renamed(pod: Mapping[str, Any], rename: Rename) -> dict[str, Any]:
    """The pod spec with each reference passed through `rename`."""
    result = dict(pod)
    _change(result, "volumes", _volume, rename)
    for field in ("containers", "initContainers"):
        _change(result, field, _container, rename)
    return result


def _volume(volume: Mapping[str, Any], rename: Rename) -> dict[str, Any]:
    result = _replaced(volume, _VOLUME, rename)
    if isinstance(volume.get("projected"), Mapping):
        result["projected"] = dict(volume["projected"])
        _change(result["projected"], "sources", partial(_replaced, fields=_SOURCE), rename)
    return result


def _container(container: Mapping[str, Any], rename: Rename) -> dict[str, Any]:
    result = dict(container)
    _change(result, "envFrom", partial(_replaced, fields=_ENV_FROM), rename)
    _change(result, "env", _variable, rename)
    return result


def _variable(variable: Mapping[str, Any], rename: Rename) -> dict[str, Any]:
    source = variable.get("valueFrom")
    if not isinstance(source, Mapping):
        return dict(variable)
    return {**variable, "valueFrom": _replaced(source, rename=rename, fields=_ENV_VALUE)}


def _change(holder: dict[str, Any], field: str, change: Callable[..., Any], rename: Rename) -> None:
    """Changes each object in a list that `holder` has; what is of another shape stays as it is."""
    if isinstance(holder.get(field), list):
        holder[field] = [
            change(each, rename=rename) if isinstance(each, Mapping) else each
            for each in holder[field]
        ]


def _replaced(holder: Mapping[str, Any], fields: _Fields, rename: Rename) -> dict[str, Any]:
    """`holder` with the names in those of its fields that are references."""
    result = dict(holder)
    for field, (kind, name) in fields.items():
        value = holder.get(field)
        if isinstance(value, Mapping) and value.get(name) and isinstance(value[name], str):
            ref = ConfigRef(kind, value[name], optional=bool(value.get("optional")))
            result[field] = {**value, name: rename(ref)}
    return result
