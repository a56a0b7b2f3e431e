"""How a canary may be named on the command line."""

import pytest

from cli import exits
from cli.console import names
from config.refs import CanaryRef


@pytest.mark.parametrize(
    ("text", "given", "ref"),
    [
        ("podinfo", None, "here/podinfo"),
        ("podinfo", "shop", "shop/podinfo"),
        ("shop/podinfo", None, "shop/podinfo"),
        ("shop/podinfo", "shop", "shop/podinfo"),
        ("canary/podinfo", None, "here/podinfo"),
        ("canaries/podinfo", "shop", "shop/podinfo"),
        ("canary.flagger.app/podinfo", None, "here/podinfo"),
        ("canaries.flagger.app/podinfo", None, "here/podinfo"),
        ("podinfo", "canary", "canary/podinfo"),
        ("podinfo.v2", None, "here/podinfo.v2"),
    ],
)
def test_a_canary_is_named_as_people_name_it(text: str, given: str | None, ref: str) -> None:
    """By name, with its namespace, or with its kind as kubectl prints it."""
    assert names.canary(text, "here", given) == CanaryRef.parse(ref)


@pytest.mark.parametrize(
    "text",
    ["", "/", "shop/", "/podinfo", "a/b/c", "canary/shop/podinfo", "Pod Info", "-x", "shop/*"],
)
def test_what_names_no_canary_is_told_with_the_forms_that_do(text: str) -> None:
    """Nothing is asked of the cluster then."""
    with pytest.raises(exits.Unusable, match="NAME, NAMESPACE/NAME or canary/NAME"):
        names.canary(text, "here")


def test_two_namespaces_for_one_canary_are_refused() -> None:
    """Neither wins in silence."""
    with pytest.raises(exits.Unusable, match="is in namespace shop, and --namespace is prod"):
        names.canary("shop/podinfo", "here", "prod")
