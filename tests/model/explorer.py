"""Walks every order of events from a beginning, and says how a state was come by."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass
class Walk(Generic[S]):
    """All states that can be reached, numbered as they were; `came` has how each was, at first."""

    numbers: dict[S, int]
    came: list[tuple[int | None, str]] = field(default_factory=lambda: [(None, "at first")])
    before: list[list[int]] = field(default_factory=lambda: [[]])
    edges: int = 0

    def story(self, number: int | None) -> list[str]:
        """What happened until a state."""
        told: list[str] = []
        while number is not None:
            number, what = self.came[number]
            told.append(what)
        return told[::-1]

    def without_end(self, is_end: Callable[[S], bool]) -> list[int]:
        """The states from which no end can be reached."""
        good = {number for state, number in self.numbers.items() if is_end(state)}
        waiting = deque(good)
        while waiting:
            for each in self.before[waiting.popleft()]:
                if each not in good:
                    good.add(each)
                    waiting.append(each)
        return [number for number in range(len(self.came)) if number not in good]


def walk(
    beginning: S,
    steps: Callable[[S], Iterator[tuple[str, S]]],
    wrong: Callable[[S, str, S], str | None],
    most: int,
) -> Walk[S]:
    """Everything that can be reached. Raises AssertionError, with the story, for what is `wrong`.

    `wrong` says what is wrong with a step, if anything. Raises AssertionError beyond `most` states.
    """
    found: Walk[S] = Walk({beginning: 0})
    waiting = deque([(0, beginning)])
    while waiting:
        number, state = waiting.popleft()
        for what, after in steps(state):
            found.edges += 1
            problem = wrong(state, what, after)
            if problem:
                story = [*found.story(number), what]
                raise AssertionError("\n".join([problem, *story, f"{state}", f"{after}"]))
            reached = found.numbers.setdefault(after, len(found.came))
            if reached == len(found.came):
                found.came.append((number, what))
                found.before.append([])
                waiting.append((reached, after))
            found.before[reached].append(number)
        assert len(found.came) <= most, f"more than {most} states"
    return found
