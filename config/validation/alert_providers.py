"""The way in for AlertProviders: a raw object becomes a model, or a list of problems. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.api.alert_provider import AlertProvider, AlertProviderSpec
from config.validation import structure
from config.validation.problems import HTTP_URL, Problem
from config.validation.rules import not_a_url, problem


def load_provider(raw: Mapping[str, Any]) -> AlertProviderSpec:
    """What the raw AlertProvider says. Raises InvalidSpec with every problem found."""
    return structure.loaded(AlertProvider, AlertProviderSpec, raw, _problems)


def _problems(spec: AlertProviderSpec) -> Iterator[Problem]:
    """What types do not show; of an address and a Secret, the Secret counts."""
    if spec.secret_ref and not spec.secret_ref.name:
        yield problem("spec.secretRef.name", "", "the name of a Secret", "is empty")
    if not spec.secret_ref and not spec.address:
        yield problem("spec.address", spec.address, f"{HTTP_URL}, or a secretRef", "is empty")
    elif not spec.secret_ref:
        yield from not_a_url("spec.address", spec.address or "")
    if spec.proxy:
        yield from not_a_url("spec.proxy", spec.proxy)
