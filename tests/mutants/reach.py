"""Which tests reach which functions and scripts: one run of all tests, with every call noted."""

import ast
import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Final

from tests.mutants.python_mutants import Mutant

Function = tuple[str, str]
"""A file of the checkout, and the qualified name of a function: empty for a script."""

OURS: Final = frozenset(
    {"analysis", "cli", "clients", "config", "notify", "routing", "sandbox", "scheduler", "tasks"}
    | {"tests", "workloads"}
)
"""Our packages."""

SCRIPTS: Final = "clients/redis/lua"
DOOR: Final = "clients/redis/scripts.py"
"""All scripts are run by `_run` of this file."""


class Tracer:
    """Notes the functions of the checkout that are called in any thread while it is on."""

    def __init__(self, checkout: Path) -> None:
        self._root = f"{checkout}/"
        self._called: set[Function] = set()

    def start(self) -> None:
        """Begins to note calls; threads that run already are left out."""
        threading.settrace(self._note)
        sys.settrace(self._note)

    def stop(self) -> set[Function]:
        """The functions called since the start, or since the last `taken`."""
        sys.settrace(None)
        threading.settrace(None)
        return self.taken()

    def taken(self) -> set[Function]:
        """The functions called since the last time this was asked."""
        called, self._called = self._called, set()
        cut = len(self._root)
        return {(file[cut:], name) for file, name in called}

    def _note(self, frame: FrameType, _event: str, _arg: object) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(self._root):
            return
        self._called.add((code.co_filename, code.co_qualname))
        if code.co_name == "_run" and code.co_filename.endswith(DOOR):
            for script in (frame.f_locals["name"], "prelude"):
                self._called.add((f"{self._root}{SCRIPTS}/{script}.lua", ""))


@dataclass
class Reach:
    """For each test how long it took, and what it called; `imported` is called by imports."""

    seconds: dict[str, float] = field(default_factory=dict)
    called: dict[str, set[Function]] = field(default_factory=dict)
    imported: set[Function] = field(default_factory=set)

    def tests(self, checkout: Path, mutant: Mutant) -> list[str]:
        """The tests that reach a mutant, the quickest first; all of them where nobody knows."""
        wanted = set(reached_by(checkout, mutant))
        found = {test for test, called in self.called.items() if called & wanted}
        return sorted(found or self.seconds, key=self.seconds.__getitem__)

    def add(self, other: "Reach") -> None:
        """Takes over what `other` knows of its tests."""
        self.seconds |= other.seconds
        self.called |= other.called

    def dumped(self) -> str:
        """As text; inverse of `loaded`."""
        called = {test: sorted(each) for test, each in self.called.items()}
        return json.dumps([self.seconds, called, sorted(self.imported)])

    @classmethod
    def loaded(cls, text: str) -> "Reach":
        """What `dumped` wrote."""
        seconds, called, imported = json.loads(text)
        sets = {test: set(map(tuple, each)) for test, each in called.items()}
        return cls(seconds, sets, set(map(tuple, imported)))


def enclosing(source: str, line: int) -> str:
    """The outermost function with `line` in its body; "" where a module or class is edited."""
    for name, node in _functions(source):
        if node.body[0].lineno <= line <= (node.end_lineno or 0):
            return name
    return ""


def reached_by(checkout: Path, mutant: Mutant) -> Iterator[Function]:
    """The functions that a mutant is in, or that name what it is in."""
    source = (checkout / mutant.path).read_text("utf-8")
    if mutant.path.endswith(".lua"):
        yield mutant.path, ""
    elif function := enclosing(source, mutant.line):
        yield mutant.path, function
    else:
        for name in _defined_at(source, mutant.line):
            yield from _naming(checkout, name)


@cache
def _functions(source: str) -> tuple[tuple[str, ast.FunctionDef], ...]:
    """The functions and methods that are in no other function, by qualified name."""

    def within(nodes: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                yield prefix + node.name, node
            elif isinstance(node, ast.ClassDef):
                yield from within(node.body, f"{prefix}{node.name}.")

    return tuple(within(ast.parse(source).body, ""))


def _defined_at(source: str, line: int) -> Iterator[str]:
    """The name of the function, class or constant whose statement includes `line`."""
    for node in ast.parse(source).body:
        if not node.lineno <= line <= (node.end_lineno or 0):
            continue
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name


@cache
def _naming(checkout: Path, name: str) -> frozenset[Function]:
    """All functions of the packages in whose text `name` stands."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    return frozenset(
        (str(file.relative_to(checkout)), function)
        for package in OURS - {"tests"}
        for file in (checkout / package).rglob("*.py")
        for source in [file.read_text("utf-8")]
        if word.search(source)
        for function, node in _functions(source)
        if word.search(ast.get_source_segment(source, node) or "")
    )
