"""Who may see Flower."""

from __future__ import annotations

import pytest

from cli import exits, flower

HERE = ["127.0.0.1", "127.0.0.53", "::1", "localhost"]
ELSEWHERE = ["0.0.0.0", "::", "", "10.1.2.3", "flower.example", "::ffff:10.1.2.3"]


@pytest.mark.parametrize("address", HERE)
def test_this_machine_needs_no_password(address: str) -> None:
    """As with Flower itself."""
    flower.refuse_strangers(address, {})


@pytest.mark.parametrize("address", ELSEWHERE)
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"FLOWER_BASIC_AUTH": ""},
        {"FLOWER_BASIC_AUTH": "admin"},
        {"FLOWER_BASIC_AUTH": "admin:"},
        {"FLOWER_BASIC_AUTH": ":secret"},
        {"FLOWER_BASIC_AUTH": "admin:secret,guest:"},
        {"FLOWER_AUTH": ".*@example.com"},
        {"FLOWER_UNAUTHENTICATED_API": "true"},
    ],
)
def test_nobody_elsewhere_sees_it_without_a_password(
    address: str, variables: dict[str, str]
) -> None:
    """What is wrong is said with what to do; no password is."""
    with pytest.raises(exits.Unusable) as refused:
        flower.refuse_strangers(address, variables)
    assert f"--address {address}: " in str(refused.value)
    assert "FLOWER_BASIC_AUTH=user:password" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ELSEWHERE)
@pytest.mark.parametrize(
    "variables",
    [
        {"FLOWER_BASIC_AUTH": "admin:secret"},
        {"FLOWER_BASIC_AUTH": "admin:secret,guest:other"},
        {
            "FLOWER_AUTH": ".*@example.com",
            "FLOWER_AUTH_PROVIDER": "flower.views.auth.GoogleAuth2LoginHandler",
        },
    ],
)
def test_with_a_password_it_is_served_anywhere(address: str, variables: dict[str, str]) -> None:
    """By Flower's own variables."""
    flower.refuse_strangers(address, variables)
