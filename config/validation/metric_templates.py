"""The way in for MetricTemplates: a raw object becomes a model, or a list of problems. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from config.api.metric_template import (
    MetricProvider,
    MetricProviderType,
    MetricTemplate,
    MetricTemplateSpec,
)
from config.validation import structure
from config.validation.problems import Problem
from config.validation.rules import not_a_url, problem

_PROVIDER: Final = "spec.provider"
#: RFC 9110, section 5.1.
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
#: What a header can hold: one line, and of characters that all servers read in the same way.
_HEADER_VALUE: Final = re.compile(r"[\t -~]*")


def load_template(raw: Mapping[str, Any]) -> MetricTemplateSpec:
    """What the raw MetricTemplate says. Raises InvalidSpec with every problem found."""
    return structure.loaded(MetricTemplate, MetricTemplateSpec, raw, _problems)


def _problems(spec: MetricTemplateSpec) -> Iterator[Problem]:
    """What types do not show."""
    if not spec.query.strip():
        yield problem("spec.query", spec.query, "a query", "is empty")
    if spec.provider.secret_ref and not spec.provider.secret_ref.name:
        yield problem(f"{_PROVIDER}.secretRef.name", "", "the name of a Secret", "is empty")
    if spec.provider.address or spec.provider.type is MetricProviderType.PROMETHEUS:
        yield from not_a_url(f"{_PROVIDER}.address", spec.provider.address or "")
    yield from _headers(spec.provider)


def _headers(provider: MetricProvider) -> Iterator[Problem]:
    for name, values in provider.headers.items():
        field = f"{_PROVIDER}.headers"
        if not _HEADER_NAME.fullmatch(name):
            yield problem(field, name, "letters, digits and -", "is no name of a header")
        elif not all(map(_HEADER_VALUE.fullmatch, values)):
            allowed = "one line of printable ASCII"
            yield problem(f"{field}.{name}", values, allowed, "is no value of a header")
