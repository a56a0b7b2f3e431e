"""What the strategies ask of Istio, rule by rule: chosen and pinned requests, copies, cookies.

The rules are those of Flagger's reference and of the articles, field by field. Left to other files:
what all rules have in common (test_istio), round trips of any split (test_round_trip).
"""

import re
from dataclasses import replace
from typing import Any, Final

import pytest
import yaml

from config import requests
from config.traffic import (
    ALL_TO_CANARY,
    ALL_TO_PRIMARY,
    Affinity,
    Aspect,
    Comparison,
    Criterion,
    Mirror,
    TrafficSplit,
)
from routing import istio, registry
from routing.router import UnroutableCanary
from tests.unit.routing.canaries import a_canary, rendered_route, virtual_service

INSIDERS: Final = [{"headers": {"x-user-type": {"exact": "insider"}}}]
COOKIES: Final = {
    "cookieName": "shop-new",
    "primaryCookieName": "shop-old",
    "path": "/",
    "secure": True,
}
NEW: Final = "shop-new=QmZrTbLpWx"
STABLE: Final = "shop-old=HdKwUyEcVa"


def http(text: str) -> Any:
    """The rules that are written in `text`."""
    return yaml.safe_load(text)


def rules(canary: Any, split: TrafficSplit) -> Any:
    """The HTTP rules of a fresh VirtualService."""
    return rendered_route(canary, split)["spec"]["http"]


def read(canary: Any, live: Any) -> TrafficSplit | None:
    """The split that these HTTP rules say."""
    route = virtual_service({"http": live})
    return registry.ROUTERS.in_force(canary, {istio.VIRTUAL_SERVICE: route})


def an_ab_test(**service: Any) -> Any:
    """A canary for insiders."""
    return a_canary(analysis={"match": INSIDERS}, **service)


AT_REST: Final = """
- match: [{headers: {x-user-type: {exact: insider}}}]
  route:
  - {destination: {host: shop-primary}, weight: 100}
  - {destination: {host: shop-canary}, weight: 0}
- route:
  - {destination: {host: shop-primary}, weight: 100}
"""
ITERATING: Final = """
- match: [{headers: {x-user-type: {exact: insider}}}]
  route:
  - {destination: {host: shop-primary}, weight: 0}
  - {destination: {host: shop-canary}, weight: 100}
- route:
  - {destination: {host: shop-primary}, weight: 0}
"""
WEIGHTED: Final = """
- match: [{headers: {x-user-type: {exact: insider}}}]
  route:
  - {destination: {host: shop-primary}, weight: 80}
  - {destination: {host: shop-canary}, weight: 20}
- route:
  - {destination: {host: shop-primary}, weight: 80}
"""
MIRRORED: Final = """
- match: [{headers: {x-user-type: {exact: insider}}}]
  route:
  - {destination: {host: shop-primary}, weight: 100}
  - {destination: {host: shop-canary}, weight: 0}
  mirror: {host: shop-canary}
  mirrorPercentage: {value: 40}
- route:
  - {destination: {host: shop-primary}, weight: 100}
"""
EVERYBODY: Final = """
- route:
  - {destination: {host: shop-primary}, weight: 0}
  - {destination: {host: shop-canary}, weight: 100}
"""


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (ALL_TO_PRIMARY, AT_REST),
        (replace(ALL_TO_CANARY, match=requests.matched(an_ab_test())), ITERATING),
        (TrafficSplit(80, 20, match=requests.matched(an_ab_test())), WEIGHTED),
        (TrafficSplit(100, 0, requests.matched(an_ab_test()), mirror=Mirror(40)), MIRRORED),
        (ALL_TO_CANARY, EVERYBODY),
    ],
    ids=["at rest", "iterating", "weights", "copies", "a primary that is lost"],
)
def test_chosen_requests_have_a_rule_of_their_own(split: TrafficSplit, expected: str) -> None:
    """Two rules, chosen requests first; one alone where everybody must go to the canary (D-11)."""
    assert rules(an_ab_test(), split) == http(expected)
    assert read(an_ab_test(), http(expected)) == split


def test_rules_for_chosen_requests_repeat_what_the_service_asks_for() -> None:
    """Rewrite, timeout, retries, CORS and headers are on both; the second has the plain match."""
    service: dict[str, Any] = {
        "match": [{"name": "a", "uri": {"prefix": "/p"}, "ignoreUriCase": True}],
        "rewrite": {"uri": "/"},
        "timeout": "3s",
        "retries": {"attempts": 2},
        "corsPolicy": {"allowOrigin": ["x.example.com"]},
        "headers": {"request": {"set": {"x-a": "1"}}},
    }
    chosen, others = rules(an_ab_test(**service), ALL_TO_PRIMARY)
    common = {key: value for key, value in service.items() if key != "match"}
    assert {key: others[key] for key in service} == service
    assert {key: chosen[key] for key in common} == common
    assert chosen["match"] == [{**service["match"][0], **INSIDERS[0]}]


def test_each_choice_is_combined_with_each_match_of_the_service() -> None:
    """Choice by choice. Headers, query parameters (D-88) and labels take the service's place."""
    canary = a_canary(
        match=[
            {"uri": {"prefix": "/a"}, "headers": {"x": {"exact": "1"}}},
            {"port": 80, "queryParams": {"q": {"exact": "2"}}},
        ],
        analysis={
            "match": [
                {"headers": {"y": {"regex": "z.*"}}},
                {"queryParams": {"p": {"prefix": "t"}}, "sourceLabels": {"app": "front"}},
            ]
        },
    )
    expected = http("""
        - {uri: {prefix: /a}, headers: {y: {regex: "z.*"}}}
        - {port: 80, queryParams: {q: {exact: "2"}}, headers: {y: {regex: "z.*"}}}
        - {uri: {prefix: /a}, headers: {x: {exact: "1"}}, queryParams: {p: {prefix: t}},
           sourceLabels: {app: front}}
        - {port: 80, queryParams: {p: {prefix: t}}, sourceLabels: {app: front}}
    """)
    split = TrafficSplit(80, 20, match=requests.matched(canary))
    written = rules(canary, split)
    assert written[0]["match"] == expected
    assert read(canary, written) == split


def test_a_choice_needs_no_name() -> None:
    """A name says nothing of a request: it chooses nothing, and the rule is the same."""
    choice = {"headers": {"x": {"exact": "1"}}}
    plain = a_canary(analysis={"match": [choice]})
    named = a_canary(analysis={"match": [{**choice, "name": "insiders"}]})
    assert requests.matched(named) == requests.matched(plain)


def test_pinned_requests_go_to_the_canary_before_the_weights() -> None:
    """The article's VirtualService, by hosts: beta testers first, then everybody by weight."""
    canary = a_canary(
        analysis={"a_b_test": [{"header": {"name": "x-user-group", "value": {"exact": "beta"}}}]}
    )
    expected = http("""
        - match: [{headers: {x-user-group: {exact: beta}}}]
          route:
          - {destination: {host: shop-canary}, weight: 100}
        - route:
          - {destination: {host: shop-primary}, weight: 90}
          - {destination: {host: shop-canary}, weight: 10}
    """)
    split = TrafficSplit(90, 10, pinned=requests.pinned(canary))
    assert rules(canary, split) == expected
    assert read(canary, expected) == split
    (alone,) = rules(canary, ALL_TO_PRIMARY)
    assert [each["weight"] for each in alone["route"]] == [100, 0]


def test_cookies_keep_users_where_they_got_them() -> None:
    """The reference's three rules. Here the cookie is matched as a whole (D-87).

    Both cookies have the attributes, so that they hold for the same requests.
    """
    canary = a_canary(analysis={"sessionAffinity": COOKIES})
    expected = http(r"""
        - match: [{headers: {Cookie: {regex: '(.*;\s*)?shop\-new=QmZrTbLpWx(;.*)?'}}}]
          route:
          - {destination: {host: shop-primary}, weight: 0}
          - {destination: {host: shop-canary}, weight: 100}
        - match: [{headers: {Cookie: {regex: '(.*;\s*)?shop\-old=HdKwUyEcVa(;.*)?'}}}]
          route:
          - {destination: {host: shop-primary}, weight: 100}
          - {destination: {host: shop-canary}, weight: 0}
        - route:
          - destination: {host: shop-primary}
            weight: 80
            headers: {response: {add: {Set-Cookie: "shop-old=HdKwUyEcVa; Max-Age=60; Path=/; Secure"}}}
          - destination: {host: shop-canary}
            weight: 20
            headers: {response: {add: {Set-Cookie: "shop-new=QmZrTbLpWx; Max-Age=86400; Path=/; Secure"}}}
    """)  # noqa: E501 - the header of one response
    split = TrafficSplit(80, 20, affinity=Affinity(NEW, STABLE))
    assert rules(canary, split) == expected
    assert read(canary, expected) == split


def test_a_cookie_is_taken_back_when_the_rollout_is_over() -> None:
    """Two rules; the expiry is on the first alone, also beside headers of the service."""
    canary = a_canary(
        analysis={"sessionAffinity": {"cookieName": "shop-new"}},
        headers={"response": {"add": {"x-a": "1"}}},
    )
    expected = http(r"""
        - match: [{headers: {Cookie: {regex: '(.*;\s*)?shop\-new=QmZrTbLpWx(;.*)?'}}}]
          headers: {response: {add: {x-a: "1", Set-Cookie: shop-new=QmZrTbLpWx; Max-Age=-1}}}
          route:
          - {destination: {host: shop-primary}, weight: 100}
          - {destination: {host: shop-canary}, weight: 0}
        - headers: {response: {add: {x-a: "1"}}}
          route:
          - {destination: {host: shop-primary}, weight: 100}
          - {destination: {host: shop-canary}, weight: 0}
    """)
    split = TrafficSplit(100, 0, affinity=Affinity(expired=NEW))
    assert rules(canary, split) == expected
    assert read(canary, expected) == split


def test_a_cookie_is_taken_back_where_it_was_set() -> None:
    """A browser removes a cookie by name, domain and path; Flagger names neither of the latter."""
    affinity = {"cookieName": "shop-new", "domain": "example.com", "path": "/shop"}
    canary = a_canary(analysis={"sessionAffinity": affinity})
    first, _ = rules(canary, TrafficSplit(100, 0, affinity=Affinity(expired=NEW)))
    assert first["headers"]["response"]["add"] == {
        "Set-Cookie": f"{NEW}; Max-Age=-1; Domain=example.com; Path=/shop"
    }


ATTRIBUTES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "a name alone": ({}, "Max-Age=86400"),
    "a time": ({"maxAge": 7200}, "Max-Age=7200"),
    "no time is a day": ({"maxAge": 0}, "Max-Age=86400"),
    "all of them, in this order": (
        {
            "secure": True,
            "sameSite": "Lax",
            "path": "/",
            "partitioned": True,
            "httpOnly": True,
            "domain": "example.com",
        },
        "Max-Age=86400; Domain=example.com; HttpOnly; Partitioned; Path=/; SameSite=Lax; Secure",
    ),
    "switches that are off": (
        {"secure": False, "httpOnly": False, "partitioned": False},
        "Max-Age=86400",
    ),
}


@pytest.mark.parametrize(("fields", "attributes"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_a_cookie_has_the_attributes_of_the_manifest(
    fields: dict[str, Any], attributes: str
) -> None:
    """Of the canary's cookie; the header of the primary's is absent without a name."""
    canary = a_canary(analysis={"sessionAffinity": {"cookieName": "shop-new", **fields}})
    *_, weighted = rules(canary, TrafficSplit(80, 20, affinity=Affinity(NEW)))
    primary, to_canary = weighted["route"]
    assert "headers" not in primary
    said = to_canary["headers"]["response"]["add"]["Set-Cookie"]
    assert said == f"{NEW}; {attributes}"


HEADERS: Final = {
    "shop.new=abc": True,
    "a=1; shop.new=abc": True,
    "a=1;shop.new=abc; b=2": True,
    "shop.new=abc; b=2": True,
    "": False,
    "shop.new=abcd": False,
    "shop.new=ab": False,
    "other-shop.new=abc": False,
    "shop-new=abc": False,
    "a=shop.new; b=abc": False,
    "a=1 shop.new=abc": False,
}


@pytest.mark.parametrize(("header", "expected"), HEADERS.items())
def test_a_cookie_is_recognised_as_a_whole(header: str, expected: bool) -> None:
    """D-87: neither part of another cookie nor one that merely looks like it."""
    canary = a_canary(analysis={"sessionAffinity": {"cookieName": "shop.new"}})
    first, _ = rules(canary, TrafficSplit(80, 20, affinity=Affinity("shop.new=abc")))
    ((condition,),) = (first["match"],)
    pattern = condition["headers"]["Cookie"]["regex"]
    assert bool(re.fullmatch(pattern, header)) is expected


def test_the_rules_of_one_route_are_in_the_order_in_which_they_count() -> None:
    """Pinned, sticky, taken back, chosen, all others."""
    canary = a_canary(
        analysis={
            "match": INSIDERS,
            "a_b_test": [{"header": {"name": "x-beta", "value": {"exact": "1"}}}],
            "sessionAffinity": COOKIES,
        }
    )
    split = TrafficSplit(
        80,
        20,
        match=requests.matched(canary),
        pinned=requests.pinned(canary),
        affinity=Affinity(NEW, STABLE, "shop-new=former"),
    )
    written = rules(canary, split)
    weights = [[each["weight"] for each in rule["route"]] for rule in written]
    assert weights == [[100], [0, 100], [100, 0], [100, 0], [80, 20], [80]]
    assert read(canary, written) == split


def test_connections_are_not_chosen_by_what_requests_say() -> None:
    """D-88: Flagger would send every connection to the canary of an A/B test."""
    canary = an_ab_test(appProtocol="tcp")
    with pytest.raises(UnroutableCanary, match="cannot carry match, but: weights"):
        rendered_route(canary, replace(ALL_TO_CANARY, match=requests.matched(canary)))
    assert rendered_route(canary, ALL_TO_PRIMARY)["spec"]["tcp"] == http("""
        - route:
          - {destination: {host: shop-primary}, weight: 100}
          - {destination: {host: shop-canary}, weight: 0}
    """)


def test_a_cookie_of_the_past_keeps_no_route_from_being_written() -> None:
    """A service that speaks TCP by now cannot take it back; nobody is led anywhere by that."""
    split = TrafficSplit(100, 0, affinity=Affinity(expired=NEW))
    spec = rendered_route(a_canary(appProtocol="tcp"), split)["spec"]
    assert [each["weight"] for each in spec["tcp"][0]["route"]] == [100, 0]
    with pytest.raises(UnroutableCanary, match="cannot carry sessionAffinity, but: weights"):
        rendered_route(a_canary(appProtocol="tcp"), TrafficSplit(80, 20, affinity=Affinity(NEW)))


def test_what_a_manifest_chooses_is_read_in_any_order() -> None:
    """An API server keeps no order of keys, so a choice has one of its own."""
    canary = a_canary(
        analysis={
            "match": [
                {
                    "sourceLabels": {"app": "front"},
                    "queryParams": {"q": {"prefix": "t"}},
                    "headers": {"x-b": {"regex": ".+"}, "x-a": {"exact": "1"}},
                }
            ]
        }
    )
    assert requests.matched(canary) == (
        (
            Criterion(Aspect.HEADER, "x-a", Comparison.EXACT, "1"),
            Criterion(Aspect.HEADER, "x-b", Comparison.REGEX, ".+"),
            Criterion(Aspect.QUERY_PARAMETER, "q", Comparison.PREFIX, "t"),
            Criterion(Aspect.SOURCE_LABEL, "app", Comparison.EXACT, "front"),
        ),
    )
