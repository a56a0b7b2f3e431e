"""Label and field selectors: parsed once into a predicate over objects."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sandbox.apiserver import errors
from sandbox.apiserver.objects import Obj, at

Predicate: TypeAlias = Callable[[Mapping[str, Any]], bool]
Labels: TypeAlias = Mapping[str, str]

_KEY: Final = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_SET: Final = re.compile(rf"^({_KEY})\s+(in|notin)\s+\(([^()]*)\)$")
_EQUAL: Final = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*([^\s=!]*)$")
_EXISTS: Final = re.compile(rf"^(!?)\s*({_KEY})$")
_COMMA: Final = re.compile(r",(?![^()]*\))")

COMMON_FIELDS: Final = ("metadata.name", "metadata.namespace")
EXTRA_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase"),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "replicasets.apps": ("status.replicas",),
}


@dataclass(frozen=True)
class Selection:
    """What a list or watch keeps; `everything` spares the call when nothing is asked."""

    matches: Predicate
    everything: bool = False


def _everything(_: Mapping[str, Any]) -> bool:
    return True


ALL: Final = Selection(_everything, everything=True)


def selection(group_resource: str, labels: str = "", fields: str = "") -> Selection:
    """The selection of a request's `labelSelector` and `fieldSelector`; BadRequest if malformed."""
    if not labels and not fields:
        return ALL
    by_label = parse_labels(labels)
    by_field = parse_fields(group_resource, fields)
    return Selection(lambda obj: by_label(at(obj, ("metadata", "labels"), {})) and by_field(obj))


def parse_labels(text: str) -> Callable[[Labels], bool]:
    """A predicate over labels for a selector in its string form; BadRequest if malformed."""
    terms = [_label_term(term.strip()) for term in _COMMA.split(text)] if text.strip() else []
    return lambda labels: all(term(labels) for term in terms)


def _label_term(term: str) -> Callable[[Labels], bool]:
    if found := _SET.match(term):
        key, operator = found[1], found[3]
        values = {value.strip() for value in found[4].split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(term):
        key, operator, value = found[1], found[3], found[4]
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(term):
        absent, key = bool(found[1]), found[2]
        return lambda labels: (key in labels) != absent
    raise errors.bad_request(f"unable to parse requirement: found '{term}'")


def parse_fields(group_resource: str, text: str) -> Predicate:
    """A predicate for a field selector; BadRequest for a field the resource cannot select by."""
    terms = [_field_term(group_resource, term) for term in text.split(",") if term.strip()]
    return lambda obj: all(term(obj) for term in terms)


def _field_term(group_resource: str, term: str) -> Predicate:
    found = re.match(r"^\s*([^=!\s]+)\s*(==|=|!=)\s*(.*?)\s*$", term)
    if found is None:
        raise errors.bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    field, operator, value = found[1], found[2], found[3]
    extra = EXTRA_FIELDS.get(group_resource, ())
    if field not in (*COMMON_FIELDS, *extra):
        if extra:
            raise errors.bad_request(f"field label not supported: {field}")
        known = ", ".join(f'"{name}"' for name in COMMON_FIELDS)
        raise errors.bad_request(f'"{field}" is not a known field selector: only {known}')
    wanted = operator != "!="
    return lambda obj: (_field_text(obj, field) == value) == wanted


def _field_text(obj: Mapping[str, Any], field: str) -> str:
    if field == "source":
        return str(at(obj, ("source", "component"), ""))
    return str(at(obj, field.split("."), ""))


def matches_selector(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether `labels` satisfy a LabelSelector object (`matchLabels` and `matchExpressions`)."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(item, labels) for item in selector.get("matchExpressions") or ())


def _expression(item: Mapping[str, Any], labels: Labels) -> bool:
    key, values = item["key"], item.get("values") or ()
    match item["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise errors.bad_request(f'"{operator}" is not a valid label selector operator')


def selector_text(selector: Obj) -> str:
    """A LabelSelector object in its string form, as a Scale's status shows it."""
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for item in selector.get("matchExpressions") or ():
        values = ",".join(item.get("values") or ())
        match item["operator"]:
            case "In" | "NotIn" as operator:
                terms.append(f"{item['key']} {operator.lower()} ({values})")
            case "Exists":
                terms.append(item["key"])
            case _:
                terms.append(f"!{item['key']}")
    return ",".join(terms)
