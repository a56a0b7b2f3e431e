"""Webhooks as values: payloads, which are called, what answers mean, event texts.

Expected forms: the compatibility reference, webhooks, sections 1 and 2, and lifecycle 22. Left out:
the calling itself, and the gates (confirm-*, rollback), which are not carried out yet.
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
    mark = hooks.checksum("rev", None)
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


def test_the_checksum_marks_revision_and_configs_and_nothing_else() -> None:
    """Equal input gives an equal mark; any change of either part another one."""
    marks = [
        hooks.checksum("a", None),
        hooks.checksum("b", None),
        hooks.checksum("a", {}),
        hooks.checksum("a", {"configmap/x": "1"}),
        hooks.checksum("a", {"configmap/x": "2"}),
        hooks.checksum("a", {"secret/x": "1"}),
    ]
    assert len(set(marks)) == len(marks)
    assert all(1 <= len(mark) <= 10 and set(mark) <= set("456789bcdf") for mark in marks)
    one, two = {"secret/a": "1", "secret/b": "2"}, {"secret/b": "2", "secret/a": "1"}
    assert hooks.checksum("a", one) == hooks.checksum("a", two)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_200_to_202_are_success(status: int) -> None:
    """The body does not matter then."""
    result = hooks.answered(the_call(), status, "whatever")
    assert result == HookResult("load", "rollout", ok=True, message="")


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (204, "", "status 204"),
        (203, "partly", "partly"),
        (302, "", "status 302"),
        (400, "no such gate\n", "no such gate"),
        (501, "not here", "not here"),
        (429, "slow down", f"POST {URL} giving up after 3 attempt(s): slow down"),
        (500, "broken", f"POST {URL} giving up after 3 attempt(s): broken"),
        (503, "", f"POST {URL} giving up after 3 attempt(s)"),
    ],
)
def test_every_other_status_fails_with_what_the_endpoint_said(
    status: int, body: str, message: str
) -> None:
    """Bodies of 429 and 5xx are kept, after the number of attempts."""
    result = hooks.answered(the_call(), status, body, attempts=3)
    assert (result.ok, result.message) == (False, message)


@pytest.mark.parametrize(
    ("status", "again"), [(429, True), (500, True), (503, True), (501, False), (404, False)]
)
def test_only_answers_that_may_change_are_worth_retrying(status: int, again: bool) -> None:
    """429 and server errors, but not 501."""
    assert hooks.is_worth_retrying(status) is again


def test_a_call_without_an_answer_says_how_often_it_was_tried() -> None:
    """The transport's error follows the number of attempts."""
    result = hooks.unanswered(the_call(), "connection refused", attempts=2)
    assert result.ok is False
    assert result.message == f"POST {URL} giving up after 2 attempt(s): connection refused"


def test_a_long_answer_is_cut_and_secrets_of_the_url_are_not_shown() -> None:
    """Events are short, and tokens in URLs stay where they are."""
    call = the_call(url="https://me:secret@hooks.test/path?token=secret#secret")
    result = hooks.answered(call, 500, "x" * 10_000)
    assert len(result.message) < 700
    assert "secret" not in result.message
    assert result.message.startswith("POST https://hooks.test/path giving up after 1 attempt(s)")


@pytest.mark.parametrize(
    ("kind", "ok", "text"),
    [
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
    result = HookResult("smoke", kind, ok, "" if ok else "{no}")
    assert hooks.event_text(a_canary(), result) == text


def test_a_hook_type_without_event_texts_is_refused() -> None:
    """The message names the type and those there are."""
    with pytest.raises(ValueError, match="event; allowed: pre-rollout"):
        hooks.event_text(a_canary(), HookResult("x", "event", ok=True))
