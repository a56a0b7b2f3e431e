"""The API server's refusals: one exception carrying a Kubernetes Status, worded as Kubernetes does.

Wording follows k8s.io/apimachinery `pkg/api/errors` and `pkg/util/validation/field`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandbox.apiserver.objects import Obj, encode

MODIFIED: Final = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


class ApiError(Exception):
    """A refused request: its HTTP `code` and the Status body sent with it."""

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})

    @property
    def retry_after_seconds(self) -> int | None:
        """The wait asked of the client, sent as Retry-After; None when none is asked."""
        return self.details.get("retryAfterSeconds")

    def status(self) -> Obj:
        """The Status object that is the body of the answer."""
        body: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return {**body, "code": self.code}


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field; `text` follows the field name in the message."""

    field: str
    reason: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"

    def cause(self) -> Obj:
        """The entry of Status `details.causes`."""
        return {"reason": self.reason, "message": self.text, "field": self.field}


def quoted(value: Any) -> str:
    """`value` as Kubernetes prints it inside a field error."""
    return encode(value).decode()


def invalid_value(field: str, value: Any, detail: str) -> FieldError:
    """The error of a field whose value is not acceptable."""
    return FieldError(field, "FieldValueInvalid", f"Invalid value: {quoted(value)}: {detail}")


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    """The error of a field whose value has the wrong JSON type."""
    return FieldError(field, "FieldValueTypeInvalid", f"Invalid value: {quoted(value)}: {detail}")


def required(field: str, detail: str = "") -> FieldError:
    """The error of a field that must be given."""
    return FieldError(
        field, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value"
    )


def forbidden_field(field: str, detail: str) -> FieldError:
    """The error of a field that may not be set or changed now."""
    return FieldError(field, "FieldValueForbidden", f"Forbidden: {detail}")


def unsupported(field: str, value: Any, allowed: Sequence[Any]) -> FieldError:
    """The error of a field whose value is outside a closed list."""
    names = ", ".join(quoted(item) for item in allowed)
    text = f"Unsupported value: {quoted(value)}: supported values: {names}"
    return FieldError(field, "FieldValueNotSupported", text)


def qualified(plural: str, group: str) -> str:
    """`plural.group`, or `plural` in the core group."""
    return f"{plural}.{group}" if group else plural


def _named(name: str, group: str, kind: str) -> Obj:
    details = {"name": name, "group": group, "kind": kind}
    return {field: value for field, value in details.items() if value}


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404: no such object."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _named(name, group, plural))


def no_such_resource() -> ApiError:
    """404: the path names no resource that is served."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409: the name is taken."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _named(name, group, plural))


def conflict(plural: str, group: str, name: str, detail: str = MODIFIED) -> ApiError:
    """409: the write was computed from another version of the object."""
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {detail}'
    return ApiError(409, "Conflict", message, _named(name, group, plural))


def apply_conflict(message: str, causes: Sequence[Obj]) -> ApiError:
    """409: a server-side apply wants fields another manager owns."""
    return ApiError(409, "Conflict", message, {"causes": list(causes)})


def invalid(kind: str, group: str, name: str, problems: Sequence[FieldError]) -> ApiError:
    """422: the object breaks its schema or a rule of its kind."""
    texts = [str(problem) for problem in problems]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {**_named(name, group, kind), "causes": [problem.cause() for problem in problems]}
    message = f'{qualified(kind, group)} "{name}" is invalid: {joined}'
    return ApiError(422, "Invalid", message, details)


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    """403: the write is not allowed in the state things are in."""
    message = f'{qualified(plural, group)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, _named(name, group, plural))


def method_not_allowed() -> ApiError:
    """405: the resource does not have this verb."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message)


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415: the body's format is not one this resource takes."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return ApiError(415, "UnsupportedMediaType", message)


def rejected_patch() -> ApiError:
    """422: a JSON patch could be read but not carried out (a failed `test`, an absent path)."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message)


def expired(requested: int, oldest: int) -> ApiError:
    """410: the history needed for the requested resourceVersion is gone."""
    return ApiError(410, "Expired", f"too old resource version: {requested} ({oldest})")


def continue_expired() -> ApiError:
    """410: the list a continue token belongs to can no longer be shown."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. "
        "You must start a new list without the continue parameter."
    )
    return ApiError(410, "Expired", message)


def too_large_version(requested: int, current: int) -> ApiError:
    """504: the requested resourceVersion has not happened yet."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiError(
        504,
        "Timeout",
        f"Too large resource version: {requested}, current: {current}",
        {"causes": causes, "retryAfterSeconds": 1},
    )


def qualified_version(group: str, version: str) -> str:
    """`group/version`, or the version alone in the core group."""
    return f"{group}/{version}" if group else version
