"""When calls of a round are asked for again: as soon as nobody makes them, and not before."""

from datetime import timedelta
from typing import Final

import pytest

from analysis import hooks
from analysis.findings import HookCalls, HookResult
from analysis.hooks import HookCall
from analysis.state import HookRound
from config.api.hooks import WebhookType
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import NOW

SECOND: Final = timedelta(seconds=1)
CALLS: Final[tuple[HookCall, ...]] = hooks.hook_calls(
    worlds.a_canary(webhooks=[{"name": name, "url": "http://x/"} for name in "ab"]),
    WebhookType.ROLLOUT,
    "Progressing",
    "rev",
)
A, B = (call.key for call in CALLS)
OK: Final = HookResult("a", WebhookType.ROLLOUT, ok=True)
ASKED: Final = HookRound(7, WebhookType.ROLLOUT, NOW)


@pytest.mark.parametrize(
    ("asked", "known", "seconds"),
    [
        (ASKED, HookCalls(), 8),
        (ASKED, HookCalls(taken={A: NOW + 9 * SECOND}), 8),
        (ASKED, HookCalls(taken={A: NOW + 12 * SECOND, B: NOW + 9 * SECOND}), 9),
        (ASKED, HookCalls(answers={A: OK}, taken={B: NOW + 300 * SECOND}), 300),
        (ASKED, HookCalls(answers={A: OK}), 8),
        (HookRound(7, WebhookType.ROLLOUT, NOW, repeats=1), HookCalls(taken={A: NOW, B: NOW}), 16),
        (HookRound(7, WebhookType.ROLLOUT, NOW, repeats=2), HookCalls(), 32),
        (HookRound(7, WebhookType.ROLLOUT, NOW, repeats=40), HookCalls(), 60),
    ],
    ids=[
        "nobody has taken them",
        "one was taken, the other's message may be lost",
        "both are being made, for as long as their workers say so",
        "a call may take minutes while its worker lives",
        "the other one has answered",
        "those of a dead worker were asked for again: their messages have their time",
        "twice that time after the second",
        "but a minute at most",
    ],
)
def test_a_call_is_asked_for_again_when_nobody_makes_it(
    asked: HookRound, known: HookCalls, seconds: int
) -> None:
    """A silent worker's at once; one that nobody has taken later and later."""
    assert hooks.next_look(asked, CALLS, known) - NOW == seconds * SECOND


def test_only_calls_that_nobody_makes_are_asked_for() -> None:
    """Neither those that have answered, nor those under way."""
    assert hooks.untaken(CALLS, HookCalls(), NOW) == (A, B)
    assert hooks.untaken(CALLS, HookCalls(answers={A: OK}), NOW) == (B,)
    assert hooks.untaken(CALLS, HookCalls(taken={A: NOW + SECOND}), NOW) == (B,)
    assert hooks.untaken(CALLS, HookCalls(taken={A: NOW}), NOW) == (A, B)


def test_answers_to_hooks_that_are_no_longer_written_say_nothing() -> None:
    """The answer of a hook that was edited away does not stand for the one in its place."""
    known = HookCalls(answers={"of-an-older-gate": OK, A: OK})
    assert hooks.unanswered(CALLS, known) == (B,)
