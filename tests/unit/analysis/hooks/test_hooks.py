"""Webhooks as values: payloads, which are called, what answers mean, event texts.

Expected forms: the compatibility reference, webhooks, sections 1 and 2, and lifecycle 22. Left out:
the calling itself.
"""

import json
from datetime import timedelta
from typing import Any

import pytest

from analysis import hooks
from analysis.findings import HookResult
from analysis.hooks import HookCall
from config.api.canary import Canary
from config.api.hooks import WebhookType

URL = "http://tester.test/"


def a_canary(*webhooks: dict[str, Any]) -> Canary:
    """The canary `shop` of namespace `prod` with these webhooks."""
    return Canary.model_validate(
        {
            "metadata": {"name": "shop", "namespace": "prod"},
            "spec": {
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "analysis": {"webhooks": list(webhooks)},
            },
        }
    )


def the_call(**webhook: Any) -> HookCall:
    """The call of a rollout hook named `load` with these settings."""
    canary = a_canary({"name": "load", "url": URL, **webhook})
    (call,) = hooks.hook_calls(canary, WebhookType.ROLLOUT, "Progressing", "rev")
    return call


def test_the_payload_has_the_keys_of_the_reference_in_their_order() -> None:
    """name, namespace, phase, checksum, metadata: endpoints may read it as text."""
    body = the_call(metadata={"type": "cmd", "cmd": "hey"}).body
    mark = hooks.checksum("rev")
    assert json.dumps(dict(body)) == (
        '{"name": "shop", "namespace": "prod", "phase": "Progressing", '
        f'"checksum": "{mark}", "metadata": {{"type": "cmd", "cmd": "hey"}}}}'
    )


def test_empty_metadata_is_left_out() -> None:
    """The key is absent, not an empty map."""
    assert "metadata" not in the_call().body
    assert "metadata" not in the_call(metadata={}).body


def test_hooks_are_called_by_type_and_in_list_order() -> None:
    """A hook without a type is a rollout hook."""
    canary = a_canary(
        {"name": "b", "url": URL},
        {"name": "first", "url": URL, "type": "pre-rollout"},
        {"name": "a", "url": URL, "type": "rollout"},
        {"name": "c", "url": URL, "type": ""},
        {"name": "seen", "url": URL, "type": "event"},
    )

    def names(kind: WebhookType) -> list[str]:
        return [call.name for call in hooks.hook_calls(canary, kind, "Progressing", "rev")]

    assert names(WebhookType.ROLLOUT) == ["b", "a", "c"]
    assert names(WebhookType.PRE_ROLLOUT) == ["first"]
    assert names(WebhookType.POST_ROLLOUT) == []


@pytest.mark.parametrize(
    ("given", "seconds"), [(None, 10), ("", 10), ("5", 10), ("30s", 30), ("2m", 120), ("0", 10)]
)
def test_the_time_limit_is_ten_seconds_unless_given(given: str | None, seconds: int) -> None:
    """Texts too short to be a duration count as not given."""
    assert the_call(timeout=given).timeout == timedelta(seconds=seconds)


def test_retries_and_certificates_are_as_given() -> None:
    """No retries by default, never fewer than none; certificates are verified by default."""
    assert (the_call().retries, the_call().verify_tls) == (0, True)
    assert (the_call(retries=-1).retries, the_call(retries=3).retries) == (0, 3)
    assert the_call(disableTLS=True).verify_tls is False


def test_the_checksum_marks_the_revision() -> None:
    """Another revision has another mark, of Flagger's form, however odd its text."""
    marks = [hooks.checksum(revision) for revision in ("a", "b", "", "\ud800")]
    assert len(set(marks)) == len(marks)
    assert all(1 <= len(mark) <= 10 and set(mark) <= set("456789bcdf") for mark in marks)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_200_to_202_are_success(status: int) -> None:
    """The body does not matter then."""
    result = hooks.answered(the_call(), status, "whatever")
    assert result == HookResult("load", WebhookType.ROLLOUT, ok=True, message="")


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (204, "", "status 204"),
        (203, "partly", "partly"),
        (302, "", "status 302"),
        (400, "no such gate\n", "no such gate"),
        (501, "not here", "not here"),
    ],
)
def test_every_other_status_fails_with_what_the_endpoint_said(
    status: int, body: str, message: str
) -> None:
    """What was tried in vain is told by whoever tried (`clients.http.client`)."""
    result = hooks.answered(the_call(), status, body)
    assert (result.ok, result.message) == (False, message)


def test_a_long_answer_is_cut() -> None:
    """Events are short."""
    result = hooks.answered(the_call(), 400, "x" * 10_000)
    assert result.message == "x" * 500 + "…"


@pytest.mark.parametrize(
    "edit",
    [
        {"name": "other"},
        {"type": "pre-rollout"},
        {"url": "http://tester.test/?token=other"},
        {"timeout": "11s"},
        {"retries": 1},
        {"disableTLS": True},
        {"metadata": {"cmd": "hey"}},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_a_webhook_that_is_edited_is_another_call(edit: dict[str, Any]) -> None:
    """Whatever is written of it: its answer is about the hook as it was called."""
    written = {"name": "load", "type": "rollout", "url": URL}
    kind = WebhookType(edit.get("type", "rollout"))
    (before,) = hooks.hook_calls(a_canary(written), WebhookType.ROLLOUT, "Progressing", "rev")
    (after,) = hooks.hook_calls(a_canary({**written, **edit}), kind, "Progressing", "rev")
    assert before.key != after.key


def test_a_call_keeps_its_key_wherever_it_stands_and_twins_have_their_own() -> None:
    """Hooks are matched by what is written, not by index and count."""
    one, two = {"name": "a", "url": f"{URL}?token=secret"}, {"name": "b", "url": URL}

    def keys(*webhooks: dict[str, Any]) -> list[str]:
        calls = hooks.hook_calls(a_canary(*webhooks), WebhookType.ROLLOUT, "Progressing", "rev")
        return [call.key for call in calls]

    first, second = keys(one, two)
    assert keys(two, one) == [second, first]
    assert keys(one) == [first]
    assert len(set(keys(one, one, two))) == 3
    assert "secret" not in "".join(keys(one, two))


@pytest.mark.parametrize(
    ("kind", "ok", "text"),
    [
        ("confirm-rollout", True, "Confirm-rollout check smoke passed"),
        ("confirm-rollout", False, "Halt shop.prod advancement waiting for approval smoke"),
        ("confirm-traffic-increase", True, "Confirm-traffic-increase check smoke passed"),
        (
            "confirm-traffic-increase",
            False,
            "Halt shop.prod advancement waiting for traffic increase approval smoke",
        ),
        ("confirm-promotion", True, "Confirm-promotion check smoke passed"),
        (
            "confirm-promotion",
            False,
            "Halt shop.prod advancement waiting for promotion approval smoke",
        ),
        ("rollback", True, "Rollback check smoke passed"),
        ("rollback", False, "Rollback hook smoke not signaling a rollback"),
        ("pre-rollout", True, "Pre-rollout check smoke passed"),
        ("pre-rollout", False, "Halt shop.prod advancement pre-rollout check smoke failed {no}"),
        ("rollout", True, ""),
        ("rollout", False, "Halt shop.prod advancement external check smoke failed {no}"),
        ("post-rollout", True, "Post-rollout check smoke passed"),
        ("post-rollout", False, "Post-rollout hook smoke failed {no}"),
    ],
)
def test_event_texts_are_those_of_the_reference(kind: str, ok: bool, text: str) -> None:
    """Letter by letter; braces in an answer are text."""
    result = HookResult("smoke", WebhookType(kind), ok, "" if ok else "{no}")
    assert hooks.event_text(a_canary(), result) == text


def test_a_hook_type_without_event_texts_is_refused() -> None:
    """The message names the type and those there are."""
    with pytest.raises(ValueError, match="event; allowed: confirm-rollout"):
        hooks.event_text(a_canary(), HookResult("x", WebhookType.EVENT, ok=True))
