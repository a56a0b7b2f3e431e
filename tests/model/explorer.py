"""Walks every order of events from a beginning, and says how a state was come by."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass
class Walk(Generic[S]):
    """All states that can be reached; `came` has how each was reached first."""

    came: dict[S, tuple[S | None, str]] = field(default_factory=dict)
    before: dict[S, list[S]] = field(default_factory=dict)
    edges: int = 0

    def story(self, state: S) -> list[str]:
        """What happened until `state`."""
        told: list[str] = []
        at: S | None = state
        while at is not None:
            at, what = self.came[at]
            told.append(what)
        return told[::-1]

    def without_end(self, is_end: Callable[[S], bool]) -> list[S]:
        """The states from which no end can be reached."""
        good = {state for state in self.came if is_end(state)}
        waiting = deque(good)
        while waiting:
            for each in self.before.get(waiting.popleft(), ()):
                if each not in good:
                    good.add(each)
                    waiting.append(each)
        return [state for state in self.came if state not in good]


def walk(
    beginning: S,
    steps: Callable[[S], Iterator[tuple[str, S]]],
    wrong: Callable[[S, str, S], str | None],
    most: int,
) -> Walk[S]:
    """Everything that can be reached. Raises AssertionError, with the story, for what is `wrong`.

    `wrong` says what is wrong with a step, if anything. Raises AssertionError beyond `most` states.
    """
    found: Walk[S] = Walk({beginning: (None, "at first")})
    waiting = deque([beginning])
    while waiting:
        state = waiting.popleft()
        for what, after in steps(state):
            found.edges += 1
            found.before.setdefault(after, []).append(state)
            problem = wrong(state, what, after)
            if problem:
                story = [*found.story(state), what]
                raise AssertionError("\n".join([problem, *story, f"{state}", f"{after}"]))
            if after not in found.came:
                found.came[after] = (state, what)
                waiting.append(after)
        assert len(found.came) <= most, f"more than {most} states"
    return found
