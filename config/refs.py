"""Identity of objects: which canary a message, a key or a log line is about."""

from __future__ import annotations

from typing import NamedTuple


class ObjectRef(NamedTuple):
    """The identity of an object whose kind is known; printed as `namespace/name`. Ordered by both.

    A tuple, as these are hashed quickly, and everything is kept by canary.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def dotted(self) -> str:
        """The reference as events and log lines have it: `name.namespace`."""
        return f"{self.name}.{self.namespace}"


class CanaryRef(ObjectRef):
    """The identity of one Canary; sent as it is printed."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> CanaryRef:
        """The reference written as `namespace/name`; inverse of `str`.

        Raises ValueError naming the text when it is not two non-empty parts and one slash.
        """
        namespace, slash, name = text.partition("/")
        if not (slash and namespace and name) or "/" in name:
            raise ValueError(f"canary reference {text!r} is not of the form namespace/name")
        return cls(namespace, name)
