"""Whether a rollout ended as the story says. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cli.demo.scene import Outcome, Standing

HALTED = "Halt "


def faults(standing: Standing, outcome: Outcome) -> tuple[str, ...]:
    """What is not as it should be at the end, one sentence each; empty when all is."""
    return tuple(_faults(standing, outcome))


def why(standing: Standing) -> str:
    """Why the rollout stopped, in the words of its last failed check; empty for a promotion."""
    halts = [e.message for e in standing.events if e.type == "Warning" and HALTED in e.message]
    return halts[-1].partition(" advancement ")[2] if halts and not standing.act.promoted else ""


def _faults(standing: Standing, outcome: Outcome) -> Iterator[str]:
    act, name = standing.act, standing.act.ref.name
    if standing.phase != act.phase:
        yield f"phase is {standing.phase or 'none'}, should be {act.phase}"
    if outcome.primary_image != act.image:
        yield f"the primary runs {outcome.primary_image}, should run {act.image}"
    wanted = {f"{name}-primary": 100, f"{name}-canary": 0}
    if outcome.weights != wanted:
        yield f"weights are {outcome.weights}, should be {wanted}"
    texts = [event.message for event in standing.events]
    if not any(act.last_event in text for text in texts):
        yield f"no event says {act.last_event!r}"
    warnings = [event.message for event in standing.events if event.type == "Warning"]
    if act.cause and not any(act.cause in text for text in warnings):
        yield f"no warning is about the {act.cause}"
    if not act.cause and any(HALTED in text for text in warnings):
        yield "a good release was held up"
