"""What is known of one canary's objects in the cluster: the document `world`.

Written by the leader, who watches, and by reconcilers, who know what they have just written; read
by everybody. Each object is one field of the hash, its role, so that a change costs one field.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from pydantic import TypeAdapter

from clients.documents.configs import ConfigRef, Content
from clients.documents.packed import Opened, Packed, checked
from clients.kube.protocol import Object
from config import canonical
from config.validation.problems import Problem

VERSION: Final = 4
"""Of the layout. Anything that an older reader would misread gets the next one."""

CANARY: Final = "canary"
STATUS: Final = "status"
ADMISSION: Final = "admission"
TARGET: Final = "target"
PRIMARY: Final = "primary"
SCALER: Final = "scaler"
TWIN: Final = "twin"
CONFIGS: Final = "configs"
CONTENTS: Final = "contents"
TEMPLATES: Final = "templates"

SelectorLabel = tuple[str, str]
"""Key and value of the label that tells a workload's pods from others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Which Canary object was judged, and what was found.

    `left_by` are the uids of other canaries that control objects of this one's names, and have
    turned to other names themselves. `finalizer` tells whether ours is on the object.
    """

    uid: str
    generation: int
    deleting: bool = False
    finalizer: bool = False
    left_by: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownStatus:
    """The `.status` of the Canary object, as anybody may have written it; empty before the first.

    `resource_version` is the object's, for writes computed from this.
    """

    resource_version: str
    fields: Mapping[str, Any]


def shown_status(canary: Object) -> ShownStatus:
    """The status of a raw Canary object, empty when it has none."""
    status, version = canary.get("status"), canary["metadata"].get("resourceVersion")
    return ShownStatus(str(version or ""), status if isinstance(status, Mapping) else {})


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A port of a regular container; `index` is its place in that container's list."""

    container: str
    index: int
    name: str | None
    number: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a workload; `updated` is its `lastUpdateTime`, empty for none."""

    type: str
    status: str
    reason: str
    updated: str


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """What its controller says of the pods of a workload."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition:
        """The condition of type `kind`, with empty fields when there is none."""
        absent = Condition(kind, "", "", "")
        return next((item for item in self.conditions if item.type == kind), absent)

    def has(self, kind: str) -> bool:
        """Whether there is a condition of type `kind`."""
        return any(item.type == kind for item in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """The compact view of a workload: all that decisions and routing need of it, and no more.

    `revision` is that of the pod template of a target, and for a primary that of the target it was
    copied from; `configs` are the ConfigMaps and Secrets that the template names, `pod_id` is the
    mark that it bears as a primary's, `images` are those of its containers but the mesh's.
    `shared_labels` are those of its selector besides the `selector_label`: its primary's pods have
    them too. `controller` is the uid of the object that controls this one, and `owner` its kind and
    name; empty for none. The resourceVersion is left out: it changes with every word of the
    workload's controller.
    """

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    controller: str = ""
    owner: str = ""
    replicas: int
    revision: str
    selector_label: SelectorLabel | None
    shared_labels: tuple[SelectorLabel, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    configs: tuple[ConfigRef, ...] = ()
    pod_id: str = ""
    images: tuple[str, ...] = ()
    status: WorkloadStatus = field(default_factory=WorkloadStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateView:
    """A MetricTemplate: where its query is run, and as whom; or the `problems` that keep it unused.

    `secret` is the name of the Secret with the credentials, empty for none.
    """

    kind: str = ""
    address: str = ""
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    secret: str = ""
    region: str = ""
    verify_tls: bool = True
    query: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that is known of one canary's objects; None or absent: there is none, as far as we know.

    `canary` is the last manifest that could be carried out, as raw JSON; `scaler` and `twin` are
    the autoscalers of target and primary, raw but for status and bookkeeping; `routes` are the raw
    Services and mesh objects by role. `configs` are the resourceVersions of the ConfigMaps and
    Secrets that the workloads name, by the key of `ConfigRef`, empty for one that is not there; of
    those it does not mention nothing is known. `contents` is what workers have read of them.
    `templates` are the MetricTemplates that the manifest names, by `namespace/name`, as far as they
    are there.
    `is_readable` is False for a document of another version: nothing is to be concluded from its
    emptiness.
    """

    admission: Admission | None = None
    canary: Object | None = None
    status: ShownStatus | None = None
    target: WorkloadView | None = None
    primary: WorkloadView | None = None
    scaler: Object | None = None
    twin: Object | None = None
    configs: Mapping[str, str] | None = None
    contents: Mapping[str, Content] | None = None
    templates: Mapping[str, TemplateView] | None = None
    routes: Mapping[str, Object] = field(default_factory=dict)
    is_readable: bool = True

    @property
    def left_by(self) -> tuple[str, ...]:
        """See `Admission`."""
        return self.admission.left_by if self.admission else ()

    @classmethod
    def of(cls, objects: Mapping[str, Any]) -> Self:
        """The world of nothing but these objects by role; inverse of `by_role`."""
        own = {role: objects[role] for role in _OWN if role in objects}
        return cls(**own, routes={role: objects[role] for role in objects if role not in _OWN})

    def with_objects(self, objects: Mapping[str, Value]) -> Self:
        """This world with these objects by role in the place of what is known of them."""
        return self.of({**self.by_role(), **objects}) if objects else self

    def by_role(self) -> dict[str, Value]:
        """Everything there is, by role."""
        own = {role: getattr(self, role) for role in _OWN}
        there = {role: value for role, value in own.items() if value is not None}
        return {**there, **self.routes}


Value = (
    Admission
    | ShownStatus
    | WorkloadView
    | Object
    | Mapping[str, Content]
    | Mapping[str, TemplateView]
)
"""What a role holds."""


def resource_version(value: Value) -> str:
    """The version of a raw object or a status; empty where none is kept."""
    match value:
        case ShownStatus():
            return value.resource_version
        case Mapping():
            metadata: Any = value.get("metadata") or {}
            return str(metadata.get("resourceVersion") or "")
        case _:
            return ""


_ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    ADMISSION: TypeAdapter(Admission),
    STATUS: TypeAdapter(ShownStatus),
    TARGET: TypeAdapter(WorkloadView),
    PRIMARY: TypeAdapter(WorkloadView),
    CONFIGS: TypeAdapter(dict[str, str]),
    CONTENTS: TypeAdapter(dict[str, Content]),
    TEMPLATES: TypeAdapter(dict[str, TemplateView]),
}
_OWN: Final = tuple(
    each.name for each in fields(World) if each.name not in {"routes", "is_readable"}
)
UNREADABLE: Final = World(is_readable=False)


def changed(before: World, after: World) -> frozenset[str]:
    """The roles whose object differs."""
    old, new = before.by_role(), after.by_role()
    return frozenset(role for role in old.keys() | new.keys() if old.get(role) != new.get(role))


def encode(world: World, roles: Collection[str] | None = None) -> dict[str, str]:
    """Role to canonical JSON, of what there is in `roles`; None: of all. ValueError for NaN."""
    there = world.by_role()
    wanted = there.keys() if roles is None else there.keys() & set(roles)
    return {role: _dumped(role, there[role]) for role in wanted}


def version_of(role: str, text: str) -> str:
    """The version of an object as it is encoded; see `resource_version`. Raises ValueError."""
    return resource_version(_loaded(role, text))


def decode(stored: Mapping[str, str], version: str | None) -> World:
    """The world that `encode` wrote under a layout `version`; UNREADABLE for anything else."""
    if stored and version != str(VERSION):
        return UNREADABLE
    try:
        return World.of({role: _loaded(role, text) for role, text in stored.items()})
    except ValueError:
        return UNREADABLE


def _dumped(role: str, value: Any) -> str:
    if isinstance(value, Packed):
        return value.text
    adapter = _ADAPTERS.get(role)
    return canonical.text(adapter.dump_python(value, mode="json") if adapter else value)


def _loaded(role: str, text: str) -> Any:
    adapter = _ADAPTERS.get(role)
    if adapter:
        return adapter.validate_json(text)
    return Packed(text=checked(text)) if role == CANARY else Opened(checked(text))
