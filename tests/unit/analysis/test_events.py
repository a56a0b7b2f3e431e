"""The texts of events: which objects they name. That each is told in time is tested by its rule."""

import pytest

from analysis import events
from analysis.events import Event
from tests.unit.analysis.worlds import a_canary

CANARY = a_canary(
    spec={"targetRef": {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "cart-app"}}
)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (events.target_gone(CANARY), "Rolling back cart.shop daemonset cart-app.shop not found"),
        (
            events.canary_not_ready(CANARY, "no pods"),
            "canary damonset cart-app.shop not ready with retryable true: no pods",
        ),
        (
            events.canary_not_ready(CANARY, "too late", retriable=False),
            "canary damonset cart-app.shop not ready with retryable false: too late",
        ),
        (
            events.primary_not_ready(CANARY, "no pods"),
            "primary daemonset cart-app-primary.shop not ready: no pods",
        ),
        (
            events.awaiting_target(CANARY),
            "cart.shop waits for its target: daemonset cart-app.shop not found",
        ),
    ],
)
def test_a_target_is_called_by_its_kind(event: Event, text: str) -> None:
    """Of whatever kind, in lower case, as in Flagger, whose typo scripts look for (8.3)."""
    assert event.message == text
