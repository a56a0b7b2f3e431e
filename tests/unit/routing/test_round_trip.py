"""Properties of the Istio codec over any split, any service options and any live object."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from config.traffic import (
    Affinity,
    Aspect,
    Comparison,
    Criterion,
    Mirror,
    TrafficSplit,
    ordered,
)
from routing import diff, istio, registry
from routing.router import UnreadableRoute
from tests.unit.routing.canaries import a_canary, mesh_objects, stored, virtual_service

ISTIO = registry.ROUTERS.named("istio")

names = st.sampled_from(["shop", "front", "a", "shop-canary", "shop-primary"])
texts = st.sampled_from(["", "a", "*", "mesh", "shop", "x.example.com", "/"])
matches = st.fixed_dictionaries(
    {},
    optional={
        "uri": st.fixed_dictionaries({"prefix": texts}),
        "port": st.integers(1, 65535),
        "headers": st.dictionaries(texts, st.fixed_dictionaries({"exact": texts})),
    },
)
services = st.fixed_dictionaries(
    {},
    optional={
        "name": names,
        "port": st.integers(1, 65535),
        "appProtocol": st.sampled_from(["http", "grpc", "tcp", "TCP"]),
        "hosts": st.lists(texts, max_size=3),
        "gateways": st.lists(texts, max_size=3),
        "portDiscovery": st.booleans(),
        "timeout": texts,
        "match": st.lists(matches, max_size=3),
        "rewrite": st.fixed_dictionaries({}, optional={"uri": texts, "type": texts}),
        "retries": st.fixed_dictionaries({}, optional={"attempts": st.integers(0, 9)}),
        "headers": st.fixed_dictionaries(
            {}, optional={"request": st.fixed_dictionaries({"set": st.dictionaries(texts, texts)})}
        ),
        "trafficPolicy": st.just({"loadBalancer": {"simple": "RANDOM"}}),
        "apex": st.fixed_dictionaries({"labels": st.dictionaries(texts, texts)}),
    },
)
delegates = st.fixed_dictionaries({"delegation": st.just(True), "portDiscovery": st.booleans()})
analyses = st.fixed_dictionaries(
    {},
    optional={
        "match": st.just([{"headers": {"x-user": {"exact": "insider"}}}]),
        "sessionAffinity": st.fixed_dictionaries(
            {"cookieName": st.just("c")},
            optional={"maxAge": st.integers(0, 9), "path": st.just("/"), "secure": st.booleans()},
        ),
    },
)
canaries = st.builds(
    lambda service, analysis: a_canary(analysis=analysis, **service),
    services | delegates,
    analyses,
)
mirrors = st.none() | st.builds(Mirror, st.none() | st.integers(1, 100))
comparisons = st.sampled_from([Comparison.EXACT, Comparison.PREFIX, Comparison.REGEX])
criteria = st.builds(
    Criterion, st.just(Aspect.HEADER), st.sampled_from(["x-a", "x-b"]), comparisons, texts
) | st.one_of(
    st.builds(Criterion, st.just(Aspect.QUERY_PARAMETER), st.just("q"), comparisons, texts),
    st.builds(
        Criterion, st.just(Aspect.SOURCE_LABEL), st.just("app"), st.just(Comparison.EXACT), texts
    ),
)
choices = st.lists(
    st.lists(criteria, min_size=1, max_size=3, unique_by=lambda each: (each.aspect, each.name)).map(
        ordered
    ),
    max_size=3,
).map(tuple)
cookies = st.sampled_from(["", "c=abc", "shop.new=Zz", "c=", "a=b=c"])
affinities = st.none() | st.builds(Affinity, cookies, cookies, cookies).filter(
    lambda affinity: affinity != Affinity()
)
splits = st.builds(
    lambda weight, **asked: TrafficSplit(100 - weight, weight, **asked),
    st.sampled_from([0, 100]) | st.integers(0, 100),
    match=choices,
    pinned=choices,
    mirror=mirrors,
    affinity=affinities,
)
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)
destinations = st.fixed_dictionaries(
    {"destination": st.fixed_dictionaries({"host": names})},
    optional={"weight": st.integers(0, 100), "headers": json_values},
)
rules = st.fixed_dictionaries(
    {},
    optional={
        "route": st.lists(destinations, max_size=3),
        "mirror": st.fixed_dictionaries({"host": names}),
        "mirrorPercentage": json_values,
        "match": json_values,
        "unknown": json_values,
    },
)
routes = st.none() | st.builds(
    virtual_service,
    st.fixed_dictionaries(
        {},
        optional={
            "http": st.lists(rules, max_size=3),
            "tcp": st.lists(rules, max_size=3),
            "hosts": st.lists(texts, max_size=2),
            "exportTo": json_values,
        },
    ),
    owned=st.booleans(),
    annotations=st.dictionaries(texts, texts, max_size=2),
)


def is_tcp(canary: Any) -> bool:
    """Whether the canary's service speaks plain TCP."""
    return (canary.spec.service.app_protocol or "").lower() == "tcp"


def sayable(canary: Any, split: TrafficSplit) -> TrafficSplit:
    """What a route of `canary` can say of `split`.

    Of connections it knows weights only; requests that nobody leads to the canary are not chosen.
    """
    if is_tcp(canary):
        return TrafficSplit.of(split.canary)
    return split if split.canary or split.mirror else replace(split, match=())


@given(canaries, splits, routes)
def test_what_is_rendered_is_what_is_read(canary: Any, split: TrafficSplit, live: Any) -> None:
    """parse(render(split)) is split, whatever was there before."""
    split = sayable(canary, split)
    rendered = mesh_objects(canary, split, {istio.VIRTUAL_SERVICE: live})
    assert split == ISTIO.parse(canary, rendered)


@given(canaries, splits, routes)
def test_rendering_what_was_rendered_changes_nothing(
    canary: Any, split: TrafficSplit, live: Any
) -> None:
    """A second application finds nothing to write: no write follows from our own write."""
    split = sayable(canary, split)
    once = mesh_objects(canary, split, {istio.VIRTUAL_SERVICE: live})
    written = {role: stored(manifest) for role, manifest in once.items()}
    again = mesh_objects(canary, split, written)
    assert [role for role in once if diff.patch(written[role], again[role])] == []


@given(canaries, splits, splits)
def test_moving_between_two_splits_touches_rules_only(
    canary: Any, before: TrafficSplit, after: TrafficSplit
) -> None:
    """Of a route of ours a step changes `spec.http` or `spec.tcp`, or nothing at all."""
    before, after = sayable(canary, before), sayable(canary, after)
    written = {role: stored(each) for role, each in mesh_objects(canary, before, {}).items()}
    moved = mesh_objects(canary, after, written)
    bodies = {role: change for role in moved if (change := diff.patch(written[role], moved[role]))}
    kind = "tcp" if is_tcp(canary) else "http"
    assert set(bodies) <= {istio.VIRTUAL_SERVICE}
    assert all(set(body) == {"metadata", "spec"} for body in bodies.values())
    assert all(set(body["spec"]) == {kind} for body in bodies.values())


@given(canaries, routes)
def test_reading_any_route_gives_a_split_none_or_a_reason(canary: Any, live: Any) -> None:
    """Nothing a user writes into a route makes reading it crash."""
    seen: TrafficSplit | str | None
    try:
        seen = ISTIO.parse(canary, {istio.VIRTUAL_SERVICE: live})
    except UnreadableRoute as unreadable:
        seen = str(unreadable)
    assert (seen is None) == (live is None)
    assert not isinstance(seen, str) or seen.startswith("VirtualService ")
