"""Provider knative: two traffic entries and an annotation, from the reference's section 15."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.api.canary import Canary
from config.traffic import ALL_TO_PRIMARY, Mirror, TrafficSplit
from routing import knative, registry
from routing.router import UnreadableRoute, UnroutableCanary
from tests.unit.routing.canaries import a_canary

ROUTER = registry.ROUTERS.named("knative")
KEY: Final = "flagger.app/primary-revision"
TARGET: Final = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "shop"}


def the_canary() -> Canary:
    """The canary of the Knative Service `shop`."""
    return a_canary(spec={"provider": "knative", "targetRef": TARGET})


def a_service(
    primary: str = "shop-00004", latest: str = "shop-00005", **spec: Any
) -> dict[str, Any]:
    """A live Knative Service; its primary revision may be empty."""
    annotations = {"own": "1", **({KEY: primary} if primary else {})}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "shop", "namespace": "prod", "annotations": annotations},
        "spec": {"template": {"spec": {}}, **spec},
        "status": {"latestCreatedRevisionName": latest},
    }


def rendered(split: TrafficSplit, live: Any) -> Any:
    """The Knative Service at `split`."""
    canary = the_canary()
    (managed,) = ROUTER.resources(canary)
    return ROUTER.render(managed, canary, None, split, {managed.role: live})


def parsed(live: Any) -> TrafficSplit | None:
    """The split in force."""
    return ROUTER.parse(the_canary(), {knative.KNATIVE_SERVICE: live})


def test_the_entries_are_the_documented_ones() -> None:
    """15, the example; everything else of the user's object stays."""
    live = a_service()
    assert rendered(TrafficSplit(80, 20), live) == {
        **live,
        "spec": {
            "template": {"spec": {}},
            "traffic": [
                {"latestRevision": True, "percent": 20},
                {"revisionName": "shop-00004", "percent": 80},
            ],
        },
    }


@given(st.integers(0, 100))
def test_what_was_written_is_read_back(weight: int) -> None:
    """For every split."""
    split = TrafficSplit.of(weight)
    assert parsed(rendered(split, a_service())) == split


@given(st.integers(0, 100))
def test_weights_are_read_by_side_though_both_are_of_one_revision(weight: int) -> None:
    """D-85: right after a promotion the latest revision is the primary's."""
    split = TrafficSplit.of(weight)
    assert parsed(rendered(split, a_service("shop-00005"))) == split


@pytest.mark.parametrize(
    "traffic",
    [
        [],
        [{"latestRevision": True, "percent": 50}],
        [{"revisionName": "shop-00001", "percent": 100}],
        [{"latestRevision": True, "percent": 20}, {"revisionName": "shop-00001", "percent": 80}],
    ],
)
def test_traffic_that_is_not_ours_shows_no_split(traffic: list[dict[str, Any]]) -> None:
    """Missing entries, and those of other revisions."""
    with pytest.raises(UnreadableRoute, match=r"Knative Service shop\.prod cannot be read"):
        parsed(a_service(traffic=traffic))


def test_without_a_target_there_is_no_split() -> None:
    """Nor one to be written."""
    assert parsed(None) is None
    with pytest.raises(UnroutableCanary):
        rendered(ALL_TO_PRIMARY, None)


def test_a_service_without_primary_revision_and_other_features_are_refused() -> None:
    """A missing annotation is an error; copies of requests cannot be said."""
    with pytest.raises(UnroutableCanary, match="no primary revision"):
        rendered(ALL_TO_PRIMARY, a_service(""))
    with pytest.raises(UnroutableCanary, match="cannot carry mirror"):
        rendered(TrafficSplit.of(0, mirror=Mirror()), a_service())


@pytest.mark.parametrize(
    ("present", "promote", "base", "wanted"),
    [
        ("", "", "", "shop-00005"),
        ("shop-00004", "", "", "shop-00004"),
        ("shop-00004", "", "shop-00004", "shop-00004"),
        ("shop-00004", "shop-00005", "shop-00004", "shop-00005"),
        ("", "", "shop-00003", "shop-00003"),
    ],
)
def test_the_primary_revision_changes_by_promotion_only(
    present: str, promote: str, base: str, wanted: str
) -> None:
    """The first is the latest; one that was taken away is the promoted one again."""
    made = knative.promoted(a_service(present), promote, base)
    assert made is not None
    assert made["metadata"]["annotations"] == {"own": "1", KEY: wanted}
