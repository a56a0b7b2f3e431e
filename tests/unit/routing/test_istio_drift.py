"""Istio objects that are already there: what is set back, what is kept, what is noted.

Aspects: weights under other changes, unknown fields, metadata, the note of a user's own spec,
delegation, changes of protocol. Left out: restoring the noted spec, which deletion does.
"""

import json
from collections.abc import Mapping
from typing import Any

from config.traffic import ALL_TO_PRIMARY, Mirror, TrafficSplit
from routing import diff, istio
from tests.unit.routing.canaries import (
    FLUX,
    a_canary,
    mesh_objects,
    rendered_route,
    stored,
    virtual_service,
)

NOTE = "flagger.kubernetes.io/original-configuration"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TWENTY = TrafficSplit.of(20)


def own_route(canary: Any, split: TrafficSplit) -> dict[str, Any]:
    """The live VirtualService this canary made at `split`."""
    return stored(rendered_route(canary, split))


def patch_of(canary: Any, split: TrafficSplit, live: Mapping[str, Any]) -> Any:
    """The patch that brings `live` to `split`; None when none is needed."""
    return diff.patch(live, rendered_route(canary, split, live)) or None


def weights(route: Mapping[str, Any]) -> list[int]:
    """The weights of the first HTTP rule."""
    return [entry["weight"] for entry in route["spec"]["http"][0]["route"]]


def test_a_weight_step_patches_only_the_http_rules() -> None:
    """The smallest write, refused by the API server if the object has moved on."""
    canary = a_canary()
    body = patch_of(canary, TWENTY, own_route(canary, TrafficSplit.of(10)))
    route = [
        {"destination": {"host": "shop-primary"}, "weight": 80},
        {"destination": {"host": "shop-canary"}, "weight": 20},
    ]
    assert body == {"metadata": {"resourceVersion": "7"}, "spec": {"http": [{"route": route}]}}


def test_a_route_already_in_force_is_not_written_again() -> None:
    """D-51: identical routes cause no write."""
    canary = a_canary()
    assert patch_of(canary, TWENTY, own_route(canary, TWENTY)) is None


def test_a_change_of_the_canary_keeps_the_weights_of_the_rollout() -> None:
    """D-8: an edited host or timeout rewrites the route without resetting the weights."""
    live = own_route(a_canary(), TWENTY)
    edited = a_canary(hosts=["shop.example.com"], timeout="5s")
    rewritten = rendered_route(edited, TWENTY, live)
    assert rewritten["spec"]["hosts"] == ["shop.example.com", "shop"]
    assert rewritten["spec"]["http"][0]["timeout"] == "5s"
    assert weights(rewritten) == [80, 20]


def test_a_label_of_another_tool_does_not_touch_the_weights() -> None:
    """D-8: foreign labels and annotations go, as in Flagger, and nothing else is written."""
    canary = a_canary()
    live = own_route(canary, TWENTY)
    live["metadata"] |= {"labels": {"tool": "x"}, "annotations": {**FLUX, "tool": "y"}}
    expected = {"resourceVersion": "7", "labels": None, "annotations": {"tool": None}}
    assert patch_of(canary, TWENTY, live) == {"metadata": expected}


def test_a_mirror_survives_another_change() -> None:
    """D-8: the mirror is part of the intent, so a rewrite keeps it."""
    mirrored = TrafficSplit(100, 0, mirror=Mirror())
    live = own_route(a_canary(), mirrored)
    rewritten = rendered_route(a_canary(timeout="5s"), mirrored, live)
    assert rewritten["spec"]["http"][0]["mirror"] == {"host": "shop-canary"}


def test_a_mirror_that_is_not_intended_is_removed() -> None:
    """One left behind, or put there by hand, ends with the next write."""
    canary = a_canary()
    live = own_route(canary, TrafficSplit(100, 0, mirror=Mirror()))
    assert "mirror" not in rendered_route(canary, ALL_TO_PRIMARY, live)["spec"]["http"][0]


def test_weights_edited_while_idle_are_set_back() -> None:
    """D-43: 50/50 by hand, with no canary pods running, does not stay."""
    canary = a_canary()
    live = own_route(canary, TrafficSplit.of(50))
    assert weights(patch_of(canary, ALL_TO_PRIMARY, live)) == [100, 0]


def test_hand_made_drift_in_known_fields_is_set_back() -> None:
    """A gateway added and a fault injected by hand are removed; what is managed is exact."""
    canary = a_canary()
    live = own_route(canary, TWENTY)
    live["spec"] |= {"gateways": ["mesh", "public"]}
    live["spec"]["http"][0] |= {"fault": {"abort": {"httpStatus": 500}}, "name": "x"}
    rewritten = rendered_route(canary, TWENTY, live)
    assert rewritten["spec"] == own_route(canary, TWENTY)["spec"]


def test_fields_unknown_to_us_survive_in_the_route() -> None:
    """D-53: `exportTo`, TLS routes and new fields of rules are not lost by a weight step."""
    canary = a_canary()
    live = own_route(canary, ALL_TO_PRIMARY)
    tls = [{"match": [{"sniHosts": ["a"]}], "route": [{"destination": {"host": "a"}}]}]
    live["spec"] |= {"exportTo": ["."], "tls": tls, "future": {"x": 1}}
    live["spec"]["http"][0] |= {"mirrors": [{"destination": {"host": "audit"}}], "someday": 1}
    spec = rendered_route(canary, TWENTY, live)["spec"]
    assert (spec["exportTo"], spec["tls"], spec["future"]) == (["."], tls, {"x": 1})
    assert spec["http"][0]["mirrors"] == [{"destination": {"host": "audit"}}]
    assert spec["http"][0]["someday"] == 1
    assert set(patch_of(canary, TWENTY, live)["spec"]) == {"http"}


def test_fields_unknown_to_us_survive_in_a_tcp_route() -> None:
    """D-53: the same for connections; match and route are ours."""
    canary = a_canary(appProtocol="tcp")
    live = own_route(canary, ALL_TO_PRIMARY)
    live["spec"]["tcp"][0] |= {"someday": 1, "match": [{"port": 99}]}
    (rule,) = rendered_route(canary, TWENTY, live)["spec"]["tcp"]
    (bare,) = own_route(canary, TWENTY)["spec"]["tcp"]
    assert rule == {**bare, "someday": 1}


def test_of_several_rules_the_one_that_leads_to_the_canary_gives_its_fields() -> None:
    """D-53: those of a user's other rules are not taken for ours; without one of ours, of none."""
    canary = a_canary()
    live = own_route(canary, ALL_TO_PRIMARY)
    (ours,) = live["spec"]["http"]
    other = {"route": [{"destination": {"host": "audit"}}], "someday": "theirs"}
    for rules, kept in (
        ([other, {**ours, "someday": "ours"}], "ours"),
        ([{**ours, "someday": "ours"}, other], "ours"),
        ([other, other], None),
        ([other], "theirs"),
    ):
        live["spec"]["http"] = rules
        (rule,) = rendered_route(canary, TWENTY, live)["spec"]["http"]
        assert rule.get("someday") == kept


def test_fields_unknown_to_us_survive_in_destination_rules() -> None:
    """D-53: subsets, exportTo and a workload selector added by hand stay; the policy is ours."""
    canary = a_canary(trafficPolicy={"loadBalancer": {"simple": "RANDOM"}})
    subsets = [{"name": "v1", "labels": {"version": "v1"}}]
    live = {
        "metadata": {"name": "shop-primary", "labels": {"tool": "x"}},
        "spec": {
            "host": "other",
            "trafficPolicy": {"tls": {"mode": "SIMPLE"}},
            "subsets": subsets,
            "exportTo": ["."],
            "workloadSelector": {"matchLabels": {"a": "b"}},
        },
    }
    rendered = mesh_objects(canary, TWENTY, {istio.PRIMARY_RULE: live})
    assert rendered[istio.PRIMARY_RULE] == {
        "metadata": live["metadata"],
        "spec": {
            "host": "shop-primary",
            "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}},
            "subsets": subsets,
            "exportTo": ["."],
            "workloadSelector": {"matchLabels": {"a": "b"}},
        },
    }


def test_a_policy_the_canary_does_not_have_is_removed() -> None:
    """`trafficPolicy` is absent when unset."""
    live = {"metadata": {}, "spec": {"host": "shop-canary", "trafficPolicy": {"tls": {}}}}
    rendered = mesh_objects(a_canary(), TWENTY, {istio.CANARY_RULE: live})
    assert rendered[istio.CANARY_RULE]["spec"] == {"host": "shop-canary"}


USERS = {
    "hosts": ["shop.example.com", "shop"],
    "gateways": ["mesh"],
    "exportTo": ["*"],
    "http": [{"match": [{"uri": {"prefix": "/"}}], "route": [{"destination": {"host": "shop"}}]}],
}


def test_a_users_spec_is_noted_when_the_route_is_taken_over() -> None:
    """The whole live spec, unknown fields included, as JSON; no owner reference is added."""
    live = virtual_service(USERS, owned=False, annotations={"team": "a"}, labels={"team": "a"})
    taken = rendered_route(a_canary(), ALL_TO_PRIMARY, live)
    assert json.loads(taken["metadata"]["annotations"].pop(NOTE)) == USERS
    assert taken["metadata"]["annotations"] == FLUX
    assert "labels" not in taken["metadata"]
    assert "ownerReferences" not in taken["metadata"]
    assert taken["spec"]["exportTo"] == ["*"]
    assert weights(taken) == [100, 0]


def test_a_note_is_never_overwritten() -> None:
    """Later edits of the canary keep the user's spec in the note, not a generated one."""
    live = virtual_service(USERS, owned=False)
    taken = rendered_route(a_canary(), ALL_TO_PRIMARY, live)
    later = rendered_route(a_canary(hosts=["new.example.com"]), TWENTY, taken)
    assert later["metadata"]["annotations"] == taken["metadata"]["annotations"]


def test_kubectls_note_is_kept_and_makes_another_needless() -> None:
    """With last-applied-configuration on the object, that is what deletion restores."""
    live = virtual_service(USERS, owned=False, annotations={APPLIED: "{}"})
    taken = rendered_route(a_canary(), ALL_TO_PRIMARY, live)
    assert taken["metadata"]["annotations"] == {APPLIED: "{}", **FLUX}


def test_moving_weights_alone_notes_nothing() -> None:
    """A route already shaped like ours has nothing to restore but weights."""
    live = virtual_service(
        rendered_route(a_canary(), ALL_TO_PRIMARY)["spec"], owned=False, annotations=dict(FLUX)
    )
    moved = rendered_route(a_canary(), TrafficSplit(80, 20, mirror=Mirror()), live)
    assert NOTE not in moved["metadata"]["annotations"]


def test_a_route_made_by_us_has_no_spec_of_a_user_to_note() -> None:
    """It is garbage collected with its canary, so nothing is ever restored on it."""
    live = own_route(a_canary(), ALL_TO_PRIMARY)
    edited = rendered_route(a_canary(timeout="5s"), ALL_TO_PRIMARY, live)
    assert NOTE not in edited["metadata"]["annotations"]


def test_rules_that_end_a_request_do_not_mix_with_our_route() -> None:
    """A taken-over rule's `delegate` or `directResponse` would make the rule invalid."""
    rule = {"delegate": {"name": "x"}, "directResponse": {"status": 503}, "redirect": {"uri": "/"}}
    live = virtual_service({"hosts": ["shop"], "http": [rule]}, owned=False)
    (taken,) = rendered_route(a_canary(), ALL_TO_PRIMARY, live)["spec"]["http"]
    assert set(taken) == {"route"}


def test_a_delegates_hosts_and_gateways_are_cleared() -> None:
    """Left over from before the delegation they would make the object invalid."""
    live = own_route(a_canary(), ALL_TO_PRIMARY)
    spec = rendered_route(a_canary(delegation=True), ALL_TO_PRIMARY, live)["spec"]
    assert spec["hosts"] == []
    assert "gateways" not in spec


def test_a_change_of_protocol_leaves_no_rules_of_the_other() -> None:
    """HTTP rules go when the service becomes TCP, and the other way round."""
    over_http = own_route(a_canary(), TWENTY)
    over_tcp = rendered_route(a_canary(appProtocol="tcp"), TWENTY, over_http)
    assert "http" not in over_tcp["spec"]
    assert "tcp" not in rendered_route(a_canary(), TWENTY, over_tcp)["spec"]


def test_without_the_target_labels_and_annotations_stay() -> None:
    """A rollback needs no workload: the weights move, the marks that need its label do not."""
    canary = a_canary(apex={"labels": {"team": "a"}})
    live = own_route(canary, TWENTY)
    over = {istio.VIRTUAL_SERVICE: live}
    rendered = mesh_objects(canary, ALL_TO_PRIMARY, over, None)[istio.VIRTUAL_SERVICE]
    assert rendered["metadata"] == live["metadata"]
    assert weights(rendered) == [100, 0]


def test_inputs_are_not_modified() -> None:
    """Neither the live object nor the canary is edited in memory."""
    live = virtual_service(USERS, owned=False, annotations={"a": "b"})
    canary = a_canary(apex={"labels": {"a": "b"}})
    before = (json.dumps(live), repr(canary))
    rendered_route(canary, TWENTY, live)
    assert before == (json.dumps(live), repr(canary))


ASSETS: dict[str, Any] = {
    "name": "assets",
    "match": [{"uri": {"prefix": "/static"}}],
    "route": [{"destination": {"host": "assets"}, "weight": 100}],
}
OLD: dict[str, Any] = {
    "name": "old",
    "redirect": {"uri": "/new"},
    "match": [{"uri": {"exact": "/"}}],
}
REST: dict[str, Any] = {"name": "rest", "delegate": {"name": "rest", "namespace": "other"}}


def shared(canary: Any, split: TrafficSplit) -> dict[str, Any]:
    """The VirtualService of this canary, with rules of users before and behind ours."""
    live = own_route(canary, split)
    live["spec"]["http"] = [ASSETS, OLD, *live["spec"]["http"], REST]
    return live


def test_named_rules_of_users_keep_their_place_at_every_step() -> None:
    """Whatever our rules are; written twice, nothing differs, and our weights are read."""
    canary = a_canary()
    live = shared(canary, TrafficSplit.of(10))
    for split in (TWENTY, TrafficSplit(100, 0, mirror=Mirror()), ALL_TO_PRIMARY):
        live = stored(rendered_route(canary, split, live))
        rules = live["spec"]["http"]
        assert [rules[0], rules[1], rules[-1]] == [ASSETS, OLD, REST]
        assert rules[2:-1] == rendered_route(canary, split)["spec"]["http"]
        assert patch_of(canary, split, live) is None
        assert istio.Istio().parse(canary, {istio.VIRTUAL_SERVICE: live}) == split


def test_a_virtual_service_that_is_taken_over_keeps_the_named_rules_of_its_users() -> None:
    """Those that lead to the Service itself are replaced, named or not, and others without name."""
    canary = a_canary()
    for host in ("shop", "shop.prod.svc.cluster.local", "shop-canary.prod"):
        main = {"name": "main", "route": [{"destination": {"host": host}}]}
        unnamed = {"route": [{"destination": {"host": "assets"}}]}
        live = virtual_service({"http": [ASSETS, main, unnamed, REST]}, owned=False)
        rules = rendered_route(canary, TWENTY, live)["spec"]["http"]
        assert rules == [ASSETS, *rendered_route(canary, TWENTY)["spec"]["http"], REST]


def test_the_fields_of_a_named_rule_of_users_are_not_ours() -> None:
    """Where it is the only rule there is, ours come after it, and nothing of it is repeated."""
    canary = a_canary()
    odd = {**ASSETS, "futureField": 1}
    rules = rendered_route(canary, TWENTY, virtual_service({"http": [odd]}, owned=False))["spec"][
        "http"
    ]
    assert rules == [odd, *rendered_route(canary, TWENTY)["spec"]["http"]]
