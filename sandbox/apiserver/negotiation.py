"""The form a client wants objects in: plain JSON, Table, or metadata only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from sandbox.apiserver import tables
from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.listing import Page
from sandbox.apiserver.objects import Obj, encode
from sandbox.apiserver.resources import Resource
from sandbox.apiserver.storage import Stored


class Form(Enum):
    """The representations that are served."""

    JSON = "json"
    TABLE = "table"
    PARTIAL = "partial"


def accepted(header: str) -> Form:
    """The first form in an Accept header that is served; raises ApiError 406 when none is."""
    for choice in (header or "*/*").split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        wanted = dict(part.partition("=")[::2] for part in parameters)
        if media not in ("application/json", "application/*", "*/*"):
            continue
        if "as" not in wanted:
            return Form.JSON
        if wanted.get("v") != "v1":
            continue
        if wanted["as"] == "Table":
            return Form.TABLE
        if wanted["as"].startswith(tables.PARTIAL):
            return Form.PARTIAL
    message = (
        "only the following media types are accepted: application/json, application/json;as=Table"
    )
    raise ApiError(406, "NotAcceptable", message)


@dataclass(frozen=True)
class Renderer:
    """Objects of one resource in one form; `include` is the Table's `includeObject`."""

    resource: Resource
    form: Form
    now: Callable[[], datetime]
    include: str = "Metadata"

    def one(self, stored: Stored) -> bytes:
        """A single object."""
        shown = stored.in_version(self.resource.api_version)
        match self.form:
            case Form.JSON:
                return shown.text
            case Form.PARTIAL:
                return encode(tables.partial(shown.obj))
            case Form.TABLE:
                metadata = {"resourceVersion": str(shown.revision)}
                return self._table([shown.obj], metadata)

    def page(self, page: Page) -> bytes:
        """A list."""
        metadata: Obj = {"resourceVersion": str(page.revision)}
        if page.continue_token:
            metadata |= {"continue": page.continue_token, "remainingItemCount": page.remaining}
        match self.form:
            case Form.JSON:
                head = {"kind": self.resource.list_kind, "apiVersion": self.resource.api_version}
                return _list(head, metadata, [stored.text for stored in page.items])
            case Form.PARTIAL:
                head = {"kind": f"{tables.PARTIAL}List", "apiVersion": tables.META}
                items = [encode(tables.partial(stored.obj)) for stored in page.items]
                return _list(head, metadata, items)
            case Form.TABLE:
                return self._table([stored.obj for stored in page.items], metadata)

    def _table(self, objects: list[Obj], metadata: Obj) -> bytes:
        return encode(tables.table(self.resource, objects, metadata, self.now(), self.include))

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """The object of a BOOKMARK event."""
        metadata: Obj = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        head = {"kind": self.resource.kind, "apiVersion": self.resource.api_version}
        if self.form is Form.PARTIAL:
            head = {"kind": tables.PARTIAL, "apiVersion": tables.META}
        if self.form is Form.TABLE:
            return encode(tables.table(self.resource, [], metadata, self.now(), self.include))
        return encode({**head, "metadata": metadata})


def _list(head: Obj, metadata: Obj, items: list[bytes]) -> bytes:
    opening = encode({**head, "metadata": metadata})[:-1]
    return opening + b',"items":[' + b",".join(items) + b"]}"
