"""AlertProviders as they are read: what is wrong with one, in words for its author."""

from typing import Any, Final

import pytest

from config.api.alert_provider import AlertProviderType
from config.validation import alert_providers
from config.validation.problems import InvalidSpec

URL: Final = "https://chat.example/T0/s3cr3t"


@pytest.mark.parametrize("kind", AlertProviderType)
def test_every_type_is_read_with_an_address_or_a_secret(kind: AlertProviderType) -> None:
    """Of both the Secret counts, as published samples of Flagger have it."""
    known = alert_providers.load_provider({"spec": {"type": kind.value, "address": URL}})
    assert (known.type, known.address, known.secret_ref) == (kind, URL, None)
    spec = {"type": kind.value, "address": "nonsense", "secretRef": {"name": "url"}}
    secret = alert_providers.load_provider({"spec": spec}).secret_ref
    assert secret is not None
    assert secret.name == "url"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"address": URL}, "spec.type"),
        ({"type": "pager", "address": URL}, "spec.type"),
        ({"type": "slack"}, "spec.address"),
        ({"type": "slack", "address": ""}, "spec.address"),
        ({"type": "slack", "address": "chat.example/s3cr3t"}, "spec.address"),
        ({"type": "slack", "address": "ftp://chat.example/s3cr3t"}, "spec.address"),
        ({"type": "slack", "address": URL, "proxy": "proxy:3128"}, "spec.proxy"),
        ({"type": "slack", "secretRef": {"name": ""}}, "spec.secretRef.name"),
        ({"type": "slack", "secretRef": {}}, "spec.secretRef.name"),
        ({"type": "slack", "address": URL, "channel": 7}, "spec.channel"),
    ],
)
def test_what_is_wrong_is_named_with_field_and_what_is_allowed(
    spec: dict[str, Any], field: str
) -> None:
    """Nothing of an address is shown but its host."""
    with pytest.raises(InvalidSpec) as invalid:
        alert_providers.load_provider({"spec": spec})
    (problem,) = invalid.value.problems
    assert problem.field == field
    assert "allowed" in problem.message
    assert "s3cr3t" not in problem.message


@pytest.mark.parametrize("raw", [{}, {"spec": None}, {"spec": []}, {"spec": "x"}, {"spec": {}}])
def test_whatever_else_is_there_is_invalid(raw: Any) -> None:
    """Never an exception of another kind."""
    with pytest.raises(InvalidSpec):
        alert_providers.load_provider(raw)
