"""What is wrong with a template, and where."""

from __future__ import annotations


class TemplateError(ValueError):
    """A template that cannot be rendered; `line` and `column` count from 1."""

    def __init__(self, problem: str, text: str, offset: int) -> None:
        self.problem = problem
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {problem}")
