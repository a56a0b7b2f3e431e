"""Messages say whom they are about and no more; what cannot be read is refused, not guessed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.redis.records import Asked
from config.refs import CanaryRef
from tasks.messages import HookMessage, NudgeMessage, UnreadableMessage

REF = CanaryRef("shop", "cart")
OTHER = CanaryRef("shop", "till")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (NudgeMessage((REF,)), {"v": 1, "canary": "shop/cart"}),
        (NudgeMessage((REF, OTHER)), {"v": 2, "canaries": ["shop/cart", "shop/till"]}),
        (NudgeMessage((REF,), if_due=True), {"v": 1, "canary": "shop/cart", "ifDue": True}),
        (
            NudgeMessage((REF, OTHER), if_due=True),
            {"v": 2, "canaries": ["shop/cart", "shop/till"], "ifDue": True},
        ),
        (
            HookMessage((Asked(REF, 7, "a-1"),)),
            {"v": 1, "canary": "shop/cart", "round": 7, "key": "a-1"},
        ),
        (
            HookMessage((Asked(REF, 7, "a-1"), Asked(OTHER, 3, "b-1"))),
            {
                "v": 2,
                "calls": [
                    {"canary": "shop/cart", "round": 7, "key": "a-1"},
                    {"canary": "shop/till", "round": 3, "key": "b-1"},
                ],
            },
        ),
    ],
)
def test_messages_travel_as_json(message: Any, text: dict[str, Any]) -> None:
    """The form is a protocol between releases: pinned here."""
    assert message.dump() == text
    assert type(message).parse(json.loads(json.dumps(message.dump()))) == message


def test_fields_of_later_releases_are_ignored() -> None:
    """Within one version, fields may be added."""
    assert NudgeMessage.parse({"v": 1, "canary": "shop/cart", "hurry": True}) == NudgeMessage(
        (REF,)
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"v": 3, "canary": "shop/cart"}, "message version 3; allowed: 1 or 2"),
        ({"v": 2, "canaries": "shop/cart"}, "message with canaries='shop/cart'; allowed: a list"),
        ({"canary": "shop/cart"}, "message version None; allowed: 1 or 2"),
        ({"v": 1}, "message without a canary: {'v': 1}"),
        ({"v": 1, "canary": 3}, "message without a canary: {'v': 1, 'canary': 3}"),
        ({"v": 1, "canary": "cart"}, "message without a canary: {'v': 1, 'canary': 'cart'}"),
        (["shop/cart"], "message ['shop/cart']; allowed: a JSON object"),
        (None, "message None; allowed: a JSON object"),
    ],
)
def test_an_unreadable_nudge_is_refused(message: Any, text: str) -> None:
    """Naming what was found and what is allowed."""
    with pytest.raises(UnreadableMessage) as refused:
        NudgeMessage.parse(message)
    assert str(refused.value) == text


@pytest.mark.parametrize("value", [None, "7", 7.0, True])
def test_numbers_are_whole_numbers(value: Any) -> None:
    """Neither texts nor truth values."""
    with pytest.raises(UnreadableMessage, match="round="):
        HookMessage.parse({"v": 1, "canary": "shop/cart", "round": value, "key": "a-1"})


@pytest.mark.parametrize("value", [None, 7, True, ["a-1"]])
def test_keys_of_calls_are_texts(value: Any) -> None:
    """Messages of the release before, which counted hooks, are not understood either."""
    with pytest.raises(UnreadableMessage, match="key="):
        HookMessage.parse({"v": 1, "canary": "shop/cart", "round": 1, "key": value})


@pytest.mark.parametrize("calls", [None, "a", {}, ["a-1"], [[]], [{"round": 7, "key": "a-1"}]])
def test_calls_that_nobody_can_read_are_refused(calls: Any) -> None:
    """All of the message: whoever sent it speaks another language."""
    with pytest.raises(UnreadableMessage):
        HookMessage.parse({"v": 2, "calls": calls})


@given(message=JSON)
def test_nothing_but_messages_is_read(message: Any) -> None:
    """Whatever lies in the queue, there is one error for it."""
    for kind in (NudgeMessage, HookMessage):
        try:
            kind.parse(message)
        except UnreadableMessage:
            continue
        assert message["v"] == 1
