"""What is served: one `Resource` per group, version and plural, and the registry of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sandbox.apiserver import errors

Schema: TypeAlias = Mapping[str, Any]

VERBS: Final = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`: a JSONPath, or the name of a built-in cell function."""

    name: str
    type: str = "string"
    path: str = ""
    cell: str = ""
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True)
class ScalePaths:
    """Where the scale subresource finds its three values; field names, outermost first."""

    spec_replicas: tuple[str, ...] = ("spec", "replicas")
    status_replicas: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] = ("spec", "selector")


@dataclass(frozen=True)
class Resource:
    """A served resource in one version.

    `generation` is what a change must touch to count: "" for resources that have no generation,
    "spec" for built-in workloads, "all" for custom resources (anything but metadata and status).
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str = ""
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ()
    status: bool = False
    scale: ScalePaths | None = None
    generation: str = ""
    custom: bool = False
    columns: tuple[Column, ...] = ()
    schema: Schema = field(default_factory=dict)
    verbs: tuple[str, ...] = VERBS

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """The name the resource is stored and counted under: `deployments.apps`, `services`."""
        return errors.qualified(self.plural, self.group)

    @property
    def list_kind(self) -> str:
        """The kind of a list of these."""
        return f"{self.kind}List"

    def not_found(self, name: str) -> errors.ApiError:
        """The refusal for an object of this resource that does not exist."""
        return errors.not_found(self.plural, self.group, name)

    def conflict(self, name: str, detail: str = errors.MODIFIED) -> errors.ApiError:
        """The refusal for a write computed from another version of the object."""
        return errors.conflict(self.plural, self.group, name, detail)

    def undecodable(self, problem: str) -> errors.ApiError:
        """The refusal for a body that Go could not decode into the kind."""
        named = f'{self.kind} in version "{self.version}" cannot be handled as a {self.kind}'
        return errors.bad_request(f"{named}: {problem}")

    def invalid(self, name: str, problems: Iterable[errors.FieldError]) -> errors.ApiError:
        """The refusal for an object that breaks the rules of its kind."""
        return errors.invalid(self.kind, self.group, name, list(problems))


class Registry:
    """The resources served now; versions of one resource are listed best first."""

    def __init__(self, builtins: Iterable[Resource]) -> None:
        self._builtins = tuple(builtins)
        self._custom: dict[str, tuple[Resource, ...]] = {}
        self._index: dict[tuple[str, str, str], Resource] = {}
        self._preferred: dict[str, Resource] = {}
        self._rebuild()

    def _rebuild(self) -> None:
        resources = self.all()
        self._index = {(item.group, item.version, item.plural): item for item in resources}
        self._preferred = {item.group_resource: item for item in reversed(resources)}

    def all(self) -> tuple[Resource, ...]:
        """Every resource in every served version."""
        custom = tuple(item for versions in self._custom.values() for item in versions)
        return self._builtins + custom

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource of a request path, or None when it is not served."""
        return self._index.get((group, version, plural))

    def named(self, group_resource: str) -> Resource:
        """The preferred version of `plural.group`; raises KeyError when it is not served."""
        if group_resource not in self._preferred:
            raise KeyError(f"resource {group_resource!r} is not served")
        return self._preferred[group_resource]

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource whose objects carry this apiVersion and kind, or None."""
        for item in self._index.values():
            if item.kind == kind and item.api_version == api_version:
                return item
        return None

    def define(self, name: str, versions: tuple[Resource, ...]) -> None:
        """Serves the versions of the CustomResourceDefinition `name` from now on."""
        self._custom = {**self._custom, name: versions}
        self._rebuild()

    def withdraw(self, name: str) -> None:
        """Stops serving what the CustomResourceDefinition `name` defined."""
        self._custom = {key: value for key, value in self._custom.items() if key != name}
        self._rebuild()

    def group_versions(self) -> Mapping[str, tuple[str, ...]]:
        """The versions served of each group, best first; the core group is ""."""
        found: dict[str, list[str]] = {}
        for item in self.all():
            versions = found.setdefault(item.group, [])
            if item.version not in versions:
                versions.append(item.version)
        return {group: tuple(versions) for group, versions in found.items()}

    def in_version(self, group: str, version: str) -> tuple[Resource, ...]:
        """The resources of one group version, by plural."""
        chosen = (item for item in self.all() if (item.group, item.version) == (group, version))
        return tuple(sorted(chosen, key=lambda item: item.plural))
