"""ConfigMaps and Secrets as a part of what is released: seen, analysed, copied, and kept secret."""

import base64
import json
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from clients import errors
from clients.kube import resources
from clients.kube.resources import Resource
from config.settings.canaries import CanarySettings
from config.settings.settings import Settings
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, COPYING, LONG, RESTARTING
from tests.stage.stage import REF, Stage, a_deployment
from tests.unit.analysis.worlds import a_manifest

PLAN: Final = [0, 20, 40, 60, 0]
RESTORED: Final = (
    "configuration of cart-app-primary.shop was changed or deleted, copying that of cart-app.shop "
    "anew"
)
CONFIGS: Final = {"configmaps", "secrets"}
POD: Final = {
    "volumes": [{"name": "settings", "configMap": {"name": "cart-settings"}}],
    "initContainers": [
        {"name": "wait", "image": "wait:1", "envFrom": [{"secretRef": {"name": "cart-login"}}]}
    ],
}


def a_config(name: str, **fields: Any) -> dict[str, Any]:
    """A ConfigMap of the namespace, or a Secret by its `type`."""
    return {"metadata": {"name": name, "namespace": REF.namespace}, **fields}


def secret(value: str) -> dict[str, str]:
    """The data of a Secret with a password."""
    return {"password": base64.b64encode(value.encode()).decode()}


def begun(pod: Mapping[str, Any] = POD, *, stage: Stage | None = None, **configs: Any) -> Stage:
    """A stage on which the canary of a target with this pod spec has been applied."""
    stage = stage or Stage()
    for name, body in configs.items():
        kind = resources.SECRETS if "type" in body else resources.CONFIG_MAPS
        stage.create(kind, a_config(name.replace("_", "-"), **body))
    deployment = a_deployment()
    deployment["spec"]["template"]["spec"].update(pod)
    stage.create(resources.DEPLOYMENTS, deployment)
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})
    return stage


def at_rest(pod: Mapping[str, Any] = POD, *, stage: Stage | None = None) -> Stage:
    """The same, initialized, with `color: blue` and the password `hunter2`."""
    stage = begun(
        pod,
        stage=stage,
        cart_settings={"data": {"color": "blue", "size": "1"}},
        cart_login={"type": "Opaque", "data": secret("hunter2")},
    )
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    stage.wait(timedelta(seconds=10))
    return stage


def set_color(stage: Stage, color: str) -> None:
    """Edits the ConfigMap."""
    stage.edit(resources.CONFIG_MAPS, "cart-settings", {"data": {"color": color}})


def held(stage: Stage, name: str, kind: Resource = resources.CONFIG_MAPS) -> Any:
    """What a ConfigMap or Secret holds."""
    return stage.kube.get(kind, REF.namespace, name)["data"]


def primary_pod(stage: Stage) -> Any:
    """The pod spec of the primary."""
    return stage.deployment("cart-app-primary")["spec"]["template"]["spec"]


def mark(stage: Stage) -> str:
    """What makes the pods of the primary new ones."""
    template = stage.deployment("cart-app-primary")["spec"]["template"]
    return str(template["metadata"]["annotations"]["flagger-id"])


def reads(stage: Stage, since: int) -> list[tuple[str, str | None]]:
    """The reads of configs since so many calls."""
    calls = stage.door.calls[since:]
    return [(call.resource, call.name) for call in calls if call.resource in CONFIGS]


def test_a_primary_gets_copies_and_refers_to_them() -> None:
    """Created before it, owned by the canary; the target keeps its own (lifecycle 6.3, 11)."""
    stage = at_rest()
    pod = primary_pod(stage)
    assert pod["volumes"][0]["configMap"]["name"] == "cart-settings-primary"
    assert pod["initContainers"][0]["envFrom"] == [{"secretRef": {"name": "cart-login-primary"}}]
    assert held(stage, "cart-settings-primary") == {"color": "blue", "size": "1"}
    assert held(stage, "cart-login-primary", resources.SECRETS) == secret("hunter2")
    copy = stage.kube.get(resources.SECRETS, REF.namespace, "cart-login-primary")
    canary = stage.kube.get(resources.CANARIES, REF.namespace, REF.name)
    assert copy["type"] == "Opaque"
    assert copy["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "name": "cart",
            "uid": canary["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    tracked = stage.status["trackedConfigs"]
    assert tracked.keys() == {"configmap/cart-settings", "secret/cart-login"}
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in tracked.values())


def test_a_changed_config_is_analysed_and_then_promoted() -> None:
    """The rollout is that of a new image; the copy follows with the promotion, keys and all."""
    stage = at_rest()
    before, tracked = mark(stage), stage.status["trackedConfigs"]
    patch = {"data": {"color": "green", "size": None, "shape": "round"}}
    stage.edit(resources.CONFIG_MAPS, "cart-settings", patch)
    rollouts.at_weight(stage, 60)
    assert held(stage, "cart-settings-primary") == {"color": "blue", "size": "1"}

    rollouts.finish(stage)
    assert rollouts.told(stage)[:2] == BEGINNING
    assert stage.weights == PLAN
    rollouts.succeeded(stage, "cart:1")
    assert held(stage, "cart-settings-primary") == {"color": "green", "shape": "round"}
    assert mark(stage) != before
    after = stage.status["trackedConfigs"]
    assert after["configmap/cart-settings"] != tracked["configmap/cart-settings"]
    assert after["secret/cart-login"] == tracked["secret/cart-login"]


def test_a_bad_config_is_rolled_back_and_not_copied() -> None:
    """The primary never sees it; set back, nothing starts; applied once more it is new."""
    stage = at_rest()
    before = mark(stage)
    stage.meters.source = measuring.failing
    set_color(stage, "red")
    rollouts.finish(stage)
    rollouts.rolled_back(stage)
    assert held(stage, "cart-settings-primary")["color"] == "blue"

    set_color(stage, "blue")
    stage.wait(timedelta(minutes=5))
    assert stage.weights == [0, 20, 0]
    assert mark(stage) == before
    stage.meters.source = measuring.healthy
    set_color(stage, "red")
    rollouts.succeeded(rollouts.finish(stage), "cart:1")
    assert held(stage, "cart-settings-primary")["color"] == "red"


def test_a_config_changed_in_mid_rollout_restarts_the_analysis() -> None:
    """As a template does (lifecycle 28): traffic back, from the start, and only it is promoted."""
    stage = at_rest()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    set_color(stage, "green")
    rollouts.finish(stage)
    assert RESTARTING in rollouts.told(stage)
    assert stage.weights == [0, 20, 40, 0, 20, 40, 60, 0]
    rollouts.succeeded(stage)
    assert held(stage, "cart-settings-primary")["color"] == "green"


def until_first_step(stage: Stage) -> list[tuple[int, int]]:
    """Replicas and weight of the canary until it is at 20, each change of them once."""
    seen = [state_of(stage)]
    for _ in range(400):
        stage.kubelet.step()
        stage.observe()
        stage.claim()
        if stage.bag.messages:
            stage.deliver(stage.bag.messages.pop(0))
        else:
            stage.advance()
        if seen[-1] != state_of(stage):
            seen.append(state_of(stage))
        if seen[-1] == (2, 20):
            return seen
    raise AssertionError(seen)


def state_of(stage: Stage) -> tuple[int, int]:
    """Replicas and weight of the canary."""
    split = stage.split
    return rollouts.replicas(stage), split.canary if split else 0


def test_pods_that_have_read_the_old_values_are_not_judged_for_the_new_ones() -> None:
    """The canary is scaled to zero and up again, without traffic; a template makes its own."""
    stage = at_rest()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    set_color(stage, "green")
    assert until_first_step(stage) == [(2, 40), (2, 0), (0, 0), (2, 0), (2, 20)]
    rollouts.finish(stage)
    rollouts.succeeded(stage)


def test_pods_that_come_up_with_the_old_values_are_not_judged_for_the_new_ones() -> None:
    """An environment is read long before a pod is available."""
    stage = at_rest()
    set_color(stage, "green")
    stage.wait(timedelta(seconds=1))
    set_color(stage, "red")
    assert until_first_step(stage) == [(2, 0), (0, 0), (2, 0), (2, 20)]
    rollouts.succeeded(rollouts.finish(stage), "cart:1")


def test_pods_with_old_values_are_made_anew_although_redis_is_emptied() -> None:
    """Nothing else remembers that they were to be."""
    stage = at_rest()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    set_color(stage, "green")
    while not (stage.state.stale_pods and stage.status["lastAppliedSpec"] == stage.state.applied):
        stage.observe()
        stage.claim()
        stage.deliver(stage.bag.messages.pop(0))
    assert rollouts.replicas(stage) == 2
    stage.bag.messages.clear()
    stage.forget_everything()
    assert (0, 0) in until_first_step(stage)
    rollouts.succeeded(rollouts.finish(stage))


def test_pods_are_made_anew_when_nobody_leads_requests_to_them() -> None:
    """As a canary is parked: somebody may have undone the route of the release that was ended."""
    stage = at_rest()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    set_color(stage, "green")
    while not stage.state.stale_pods or stage.split != TrafficSplit(100, 0):
        stage.observe()
        stage.claim()
        stage.deliver(stage.bag.messages.pop(0))
    route = stage.kube.get(resources.VIRTUAL_SERVICES, REF.namespace, "cart-app")
    for each, weight in zip(route["spec"]["http"][0]["route"], (60, 40), strict=True):
        each["weight"] = weight
    stage.edit(resources.VIRTUAL_SERVICES, "cart-app", {"spec": route["spec"]})
    stage.losing = {"route"}
    stage.wait(timedelta(seconds=1))
    assert state_of(stage) == (2, 40)
    stage.losing.clear()
    assert until_first_step(stage) == [(2, 40), (2, 0), (0, 0), (2, 0), (2, 20)]
    rollouts.succeeded(rollouts.finish(stage))


def test_a_config_set_back_in_mid_rollout_calls_it_off() -> None:
    """As a template set back to the promoted one does."""
    stage = at_rest()
    set_color(stage, "green")
    rollouts.at_weight(stage, 40)
    set_color(stage, "blue")
    stage.settle()
    assert stage.split == TrafficSplit(100, 0)
    rollouts.finish(stage)
    rollouts.rolled_back(stage)
    assert "target reverted to the promoted revision" in rollouts.told(stage)[-2]


def test_a_config_that_changes_right_before_the_copy_is_analysed_and_not_copied() -> None:
    """What is copied is read for that, and compared with what was analysed (D-9)."""
    stage = at_rest()
    stage.release("cart:2")
    reading = Fault(lambda: set_color(stage, "green"), "get", "deployments", name="cart-app")
    stage.door.faults.add(reading)
    colors: list[str] = []

    def noted(on: Stage) -> bool:
        colors.append(held(on, "cart-settings-primary")["color"])
        return rollouts.ended(on) and on.phase() == "Succeeded"

    stage.run(noted, within=LONG)
    assert stage.weights[:10] == [*PLAN, 20, 40, 60, 0]
    assert "green" not in colors[: colors.index("green")]
    assert stage.image("cart-app-primary") == "cart:2"
    assert rollouts.told(stage).count(COPYING) == 2


def test_pods_are_made_anew_though_the_promotion_broke_off_after_its_copies() -> None:
    """A copy alone does not pass for a promotion: environments are read when a pod starts."""
    stage = at_rest()
    before = mark(stage)
    set_color(stage, "green")
    away = Fault(errors.Transient("away"), "patch", "deployments", name="cart-app-primary")
    stage.door.faults.add(away)
    rollouts.succeeded(rollouts.finish(stage), "cart:1")
    assert held(stage, "cart-settings-primary")["color"] == "green"
    assert mark(stage) != before


def lose_copy(stage: Stage) -> None:
    """Somebody deletes a copy."""
    stage.kube.delete(resources.CONFIG_MAPS, REF.namespace, "cart-settings-primary")


def edit_copy(stage: Stage, value: str = "guess") -> None:
    """Somebody edits a copy."""
    stage.edit(resources.SECRETS, "cart-login-primary", {"data": secret(value)})


@pytest.mark.parametrize("is_promoted", [False, True])
@pytest.mark.parametrize("befall", [lose_copy, edit_copy])
def test_a_copy_that_is_deleted_or_edited_is_made_anew(
    befall: Callable[[Stage], None], *, is_promoted: bool
) -> None:
    """Without it the next pod of the primary would not start; those that run are left alone."""
    stage = at_rest()
    if is_promoted:
        stage.release("cart:2")
        rollouts.finish(stage)
    stage.wait(timedelta(seconds=30))
    before, told = stage.deployment("cart-app-primary")["spec"], len(stage.texts())
    befall(stage)
    stage.wait(timedelta(seconds=5))
    assert held(stage, "cart-settings-primary") == held(stage, "cart-settings")
    assert held(stage, "cart-login-primary", resources.SECRETS) == secret("hunter2")
    assert stage.deployment("cart-app-primary")["spec"] == before
    assert stage.texts()[told:] == [RESTORED]
    assert stage.condition("Waiting")["status"] == "False"
    stage.release("cart:3")
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_somebody_who_edits_a_copy_again_and_again_is_not_answered_at_his_pace() -> None:
    """Nor is a webhook that changes all that is written."""
    stage = at_rest()
    calls = len(stage.door.calls)
    for number in range(20):
        edit_copy(stage, str(number))
        stage.wait(timedelta(seconds=1))
    writes = [each for each in stage.door.calls[calls:] if each.verb == "replace"]
    assert 1 <= len(writes) <= 3
    stage.wait(timedelta(seconds=15))
    assert held(stage, "cart-login-primary", resources.SECRETS) == secret("hunter2")


def test_a_copy_of_what_is_not_there_any_more_is_not_made_of_anything_else() -> None:
    """After a bad config the original holds what has failed."""
    stage = at_rest()
    set_color(stage, "green")
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    stage.edit(resources.CONFIG_MAPS, "cart-settings-primary", {"data": {"color": "pink"}})
    stage.wait(timedelta(minutes=1))
    assert held(stage, "cart-settings-primary")["color"] == "pink"
    set_color(stage, "blue")
    stage.wait(timedelta(minutes=1))
    assert held(stage, "cart-settings-primary")["color"] == "blue"


# --- what it costs


def test_at_rest_and_in_a_step_nothing_is_read() -> None:
    """An idle hour costs no call, a step three (D-48, D-52)."""
    stage = at_rest()
    since = len(stage.door.calls)
    stage.wait(timedelta(hours=1))
    assert stage.door.calls[since:] == []

    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.settle()
    since = len(stage.door.calls)
    rollouts.at_weight(stage, 60)
    stage.settle()
    assert reads(stage, since) == []
    assert len(stage.door.calls) - since == 2 * 3


def test_a_label_costs_one_read_and_starts_nothing() -> None:
    """A new version with the same contents is no release."""
    stage = at_rest()
    since = len(stage.door.calls)
    labels = {"metadata": {"labels": {"a": "b"}}}
    stage.edit(resources.CONFIG_MAPS, "cart-settings", labels)
    stage.wait(timedelta(minutes=5))
    assert stage.door.calls[since:] == [("get", "configmaps", None, "cart-settings")]
    assert stage.phase() == "Initialized"


def test_configs_of_nobody_cost_nothing() -> None:
    """Those that no pod names; a canary that names none has none watched."""
    stage = at_rest({})
    since = len(stage.kube.calls)
    set_color(stage, "green")
    stage.wait(timedelta(minutes=10))
    assert {call.resource for call in stage.kube.calls[since:]} & CONFIGS == {"configmaps"}
    assert [call.verb for call in stage.kube.calls[since:] if call.resource in CONFIGS] == ["patch"]
    assert stage.phase() == "Initialized"


# --- what is not there, or not to be tracked


def test_a_missing_config_is_waited_for_and_healed_by_creating_it() -> None:
    """No primary is made that could not start; the condition says what is waited for."""
    stage = begun(cart_login={"type": "Opaque", "data": secret("hunter2")})
    stage.wait(timedelta(minutes=10))
    waits = "cart.shop waits for the configuration of cart-app.shop: "
    assert f"{waits}configmap cart-settings.shop not found" in stage.texts()
    waiting = stage.condition("Waiting")
    assert (waiting["status"], waiting["reason"]) == ("True", "ConfigsUnknown")

    stage.create(resources.CONFIG_MAPS, a_config("cart-settings", data={"color": "blue"}))
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(seconds=30))
    assert stage.condition("Waiting")["status"] == "False"


def test_a_secret_that_goes_keeps_what_runs_running() -> None:
    """Nothing starts, nothing is rolled back; it is told, and over when it is back."""
    stage = at_rest()
    before = mark(stage)
    stage.kube.delete(resources.SECRETS, REF.namespace, "cart-login")
    stage.release("cart:2")
    stage.wait(timedelta(minutes=5))
    assert stage.phase() == "Initialized"
    assert stage.condition("Waiting")["reason"] == "ConfigsUnknown"
    assert "secret cart-login.shop not found" in stage.condition("Waiting")["message"]
    assert mark(stage) == before

    login = a_config("cart-login", type="Opaque", data=secret("hunter2"))
    stage.create(resources.SECRETS, login)
    rollouts.succeeded(rollouts.finish(stage))


def test_a_secret_that_goes_in_mid_rollout_holds_the_promotion_alone() -> None:
    """The canary is measured on, and promoted when the Secret is back."""
    stage = at_rest()
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.kube.delete(resources.SECRETS, REF.namespace, "cart-login")
    rollouts.at_weight(stage, 60)
    stage.wait(timedelta(minutes=5))
    assert (stage.split, stage.phase()) == (TrafficSplit(40, 60), "Progressing")
    assert stage.condition("Waiting")["reason"] == "ConfigsUnknown"

    login = a_config("cart-login", type="Opaque", data=secret("hunter2"))
    stage.create(resources.SECRETS, login)
    rollouts.succeeded(rollouts.finish(stage))


OPTIONAL: Final = {
    "volumes": [{"name": "v", "configMap": {"name": "cart-settings", "optional": True}}]
}


def test_an_optional_config_may_be_missing_and_is_released_when_it_comes() -> None:
    """Until then the primary refers to the same name (lifecycle 6.3)."""
    stage = begun(OPTIONAL)
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    assert primary_pod(stage)["volumes"][0]["configMap"]["name"] == "cart-settings"
    assert "trackedConfigs" not in stage.status

    stage.create(resources.CONFIG_MAPS, a_config("cart-settings", data={"color": "blue"}))
    rollouts.succeeded(rollouts.finish(stage), "cart:1")
    assert primary_pod(stage)["volumes"][0]["configMap"]["name"] == "cart-settings-primary"

    stage.kube.delete(resources.CONFIG_MAPS, REF.namespace, "cart-settings")
    stage.run(lambda on: on.phase() == "Progressing", within=LONG)
    rollouts.succeeded(rollouts.finish(stage), "cart:1")
    assert primary_pod(stage)["volumes"][0]["configMap"]["name"] == "cart-settings"
    assert "trackedConfigs" not in stage.status
    assert held(stage, "cart-settings-primary") == {"color": "blue"}


def opted_out(stage: Stage) -> None:
    """The ConfigMap is annotated."""
    annotations = {"flagger.app/config-tracking": "disabled"}
    stage.create(
        resources.CONFIG_MAPS,
        {
            **a_config("cart-settings", data={"color": "blue"}),
            "metadata": {
                **a_config("cart-settings")["metadata"],
                "annotations": annotations,
            },
        },
    )


def test_a_config_that_opts_out_is_used_in_place() -> None:
    """Neither compared nor copied; without the annotation it is released (lifecycle 6.3)."""
    stage = Stage()
    opted_out(stage)
    begun(OPTIONAL, stage=stage)
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    set_color(stage, "green")
    stage.wait(timedelta(minutes=5))
    assert stage.phase() == "Initialized"
    assert primary_pod(stage)["volumes"][0]["configMap"]["name"] == "cart-settings"

    without = {"metadata": {"annotations": {"flagger.app/config-tracking": None}}}
    stage.edit(resources.CONFIG_MAPS, "cart-settings", without)
    rollouts.succeeded(rollouts.finish(stage), "cart:1")
    assert primary_pod(stage)["volumes"][0]["configMap"]["name"] == "cart-settings-primary"


def test_an_installation_that_tracks_nothing_compares_and_copies_nothing() -> None:
    """`-enable-config-tracking=false`: the primary uses the originals, nothing is read."""
    settings = Settings(canaries=CanarySettings(config_tracking=False))
    stage = at_rest(stage=Stage(settings=settings))
    set_color(stage, "green")
    stage.wait(timedelta(minutes=5))
    assert stage.phase() == "Initialized"
    assert primary_pod(stage)["volumes"][0]["configMap"]["name"] == "cart-settings"
    assert not CONFIGS & {call.resource for call in stage.door.calls}
    assert "trackedConfigs" not in stage.status


def test_a_config_map_of_somebody_with_the_name_of_a_copy_is_not_overwritten() -> None:
    """It is said what is in the way; Flagger overwrites it."""
    stage = Stage()
    stage.create(resources.CONFIG_MAPS, a_config("cart-settings-primary", data={"mine": "yes"}))
    stage = begun(
        stage=stage,
        cart_settings={"data": {"color": "blue"}},
        cart_login={"type": "Opaque", "data": secret("hunter2")},
    )
    stage.wait(timedelta(minutes=2))
    assert held(stage, "cart-settings-primary") == {"mine": "yes"}
    taken = "configmap cart-settings-primary.shop was not made for a canary"
    assert any(taken in text for text in stage.texts())

    stage.kube.delete(resources.CONFIG_MAPS, REF.namespace, "cart-settings-primary")
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)


def test_an_immutable_config_made_anew_gets_a_copy_made_anew() -> None:
    """`immutable` is copied (D-75), so a copy that must change is replaced."""
    pod = {"volumes": [{"name": "v", "configMap": {"name": "cart-settings"}}]}
    stage = begun(pod, cart_settings={"data": {"color": "blue"}, "immutable": True})
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    stage.kube.delete(resources.CONFIG_MAPS, REF.namespace, "cart-settings")
    body = a_config("cart-settings", data={"color": "green"}, immutable=True)
    stage.create(resources.CONFIG_MAPS, body)
    rollouts.succeeded(rollouts.finish(stage), "cart:1")
    copy = stage.kube.get(resources.CONFIG_MAPS, REF.namespace, "cart-settings-primary")
    assert (copy["data"], copy["immutable"]) == ({"color": "green"}, True)


# --- losses


def restarted(stage: Stage) -> None:
    """Another leader begins, and has seen nothing of what happened."""
    stage.beat.restart()


def emptied(stage: Stage) -> None:
    """Redis is lost."""
    stage.forget_everything()


def both(stage: Stage) -> None:
    """All of it."""
    emptied(stage)
    restarted(stage)


@pytest.mark.parametrize("lose", [restarted, emptied, both], ids=lambda each: each.__name__)
def test_what_was_forgotten_starts_nothing_and_a_change_made_meanwhile_is_seen(
    lose: Callable[[Stage], None],
) -> None:
    """Digests are the same after a restart: their key is kept where the Secrets are."""
    stage = at_rest()
    lose(stage)
    stage.wait(timedelta(minutes=10))
    assert stage.phase() == "Initialized"
    assert stage.weights == [0]

    stage.edit(resources.SECRETS, "cart-login", {"data": secret("hunter3")})
    lose(stage)
    rollouts.succeeded(rollouts.finish(stage), "cart:1")
    assert held(stage, "cart-login-primary", resources.SECRETS) == secret("hunter3")


def test_a_failed_config_is_not_tried_again_although_redis_is_emptied() -> None:
    """Invariant 7, for what only a config has made a failure."""
    stage = at_rest()
    stage.meters.source = measuring.failing
    stage.edit(resources.SECRETS, "cart-login", {"data": secret("wrong")})
    rollouts.finish(stage)
    rollouts.rolled_back(stage)
    weights = list(stage.weights)
    both(stage)
    stage.wait(timedelta(minutes=10))
    rollouts.rolled_back(stage)
    assert stage.weights == weights


def test_a_rollout_in_progress_goes_on_although_redis_is_emptied() -> None:
    """It is the same revision still."""
    stage = at_rest()
    set_color(stage, "green")
    rollouts.at_weight(stage, 40)
    both(stage)
    rollouts.succeeded(rollouts.finish(stage), "cart:1")
    assert RESTARTING not in rollouts.told(stage)


def test_an_api_server_that_does_not_answer_about_configs_delays_no_rollback() -> None:
    """What cannot be read counts as unchanged until it can; checks are made and counted."""
    stage = at_rest()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    stage.door.faults.add(Fault(errors.Transient("away"), "get", "configmaps", times=10**6))
    set_color(stage, "green")
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    rollouts.rolled_back(stage)


def test_a_leader_that_may_not_list_secrets_has_a_changed_one_analysed_with_the_next_release() -> (
    None
):
    """The password alone starts nothing; what the canary's pods have read is copied, no sooner."""
    stage = Stage()
    refused = errors.Permanent("secrets is forbidden", status=errors.FORBIDDEN)
    stage.kube.faults.add(Fault(refused, "list", "secrets", times=10**6))
    at_rest(stage=stage)
    assert held(stage, "cart-login-primary", resources.SECRETS) == secret("hunter2")
    stage.edit(resources.SECRETS, "cart-login", {"data": secret("s3same")})
    stage.wait(timedelta(minutes=1))
    assert stage.phase() == "Initialized"

    set_color(stage, "green")
    rollouts.at_weight(stage, 60)
    assert held(stage, "cart-login-primary", resources.SECRETS) == secret("hunter2")
    rollouts.finish(stage)
    rollouts.succeeded(stage, "cart:1")
    assert held(stage, "cart-login-primary", resources.SECRETS) == secret("s3same")
    assert held(stage, "cart-settings-primary") == {"color": "green", "size": "1"}


# --- no secret anywhere


class Everything(logging.Handler):
    """All that is logged, with all that belongs to it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record."""
        self.lines.append(repr(vars(record)))


def test_no_value_of_a_secret_is_anywhere_but_in_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """Invariant 10: not in Redis, in jobs, in events, in logs, in statuses nor in the timeline."""
    handler = Everything()
    logging.getLogger().addHandler(handler)
    caplog.set_level(logging.DEBUG)
    stage = at_rest()
    sent = list[str]()
    dump = list[str]()

    def noted(on: Stage) -> bool:
        sent.extend(map(repr, on.bag.messages))
        dump.append(everything_in(on))
        return rollouts.ended(on)

    refused = errors.Permanent(f"bad {secret('s3same')['password']}", status=422, reason="Invalid")
    stage.door.faults.add(Fault(refused, "replace", "secrets"))
    stage.edit(resources.SECRETS, "cart-login", {"data": secret("s3same")})
    stage.run(noted, within=LONG)
    logging.getLogger().removeHandler(handler)

    assert held(stage, "cart-login-primary", resources.SECRETS) == secret("s3same")
    told = "\n".join([*handler.lines, *sent, *dump, *stage.texts()])
    objects = [
        each
        for kind in (resources.CANARIES, resources.DEPLOYMENTS, resources.CONFIG_MAPS)
        for each in stage.kube.list(kind).items
    ]
    told += json.dumps([dict(each) for each in objects])
    key = stage.kube.get(resources.SECRETS, REF.namespace, "coalmine-digest-key")["data"]["key"]
    assert len(base64.b64decode(key)) == 32
    for value in ("hunter2", "s3same"):
        assert value not in told
        assert secret(value)["password"] not in told
    assert key not in told
    assert repr(base64.b64decode(key)) not in told
    assert len(dump) >= 5


def everything_in(stage: Stage) -> str:
    """All keys of Redis with all that they hold."""
    return repr([(key, stage.redis.dump(key)) for key in stage.redis.keys("*")])
