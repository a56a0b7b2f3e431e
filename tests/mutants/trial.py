"""One defect put into the running program, and the tests that reach it run until one notices.

A trial is a fork of a process that has collected all tests. There the function with the defect
gets new code in its place, which takes no time. What cannot be exchanged so (a constant, a class,
a function that imports call) is imported anew, with all that depends on it. No file is touched.
"""

import gc
import importlib.machinery
import itertools
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

import pytest

from tests.mutants import reach
from tests.mutants.python_mutants import Mutant
from tests.mutants.reach import Reach, Tracer

OPTIONS: Final = (
    *("-q", "-s", "-n0", "-x", "--tb=short", "-p", "no:randomly", "-p", "no:cacheprovider"),
    *("--timeout=300", "--hypothesis-seed=0", "--hypothesis-profile=mutants"),
    "-Wignore::pytest.PytestAssertRewriteWarning",
)


def killer(session: pytest.Session, mutant: Mutant, known: Reach) -> str | None:
    """The first test that fails with `mutant` in the program; None if all pass."""
    checkout = session.config.rootpath
    source = (checkout / mutant.path).read_text("utf-8")
    tests = known.tests(checkout, mutant)
    if mutant.path.endswith(".lua"):
        _exchange_script(source, mutant.applied(source))
    elif not _exchange(checkout, mutant, source, known):
        return _imported_anew(checkout / mutant.path, mutant.applied(source), tests, known)
    by_id = {item.nodeid: item for item in session.items}
    return run(session, [by_id[test] for test in tests], known)


def parts(session: pytest.Session, count: int) -> list[list[pytest.Item]]:
    """The collected tests in `count` parts, those of one file together."""
    files = [list(items) for _, items in itertools.groupby(session.items, lambda item: item.path)]
    return [list(itertools.chain.from_iterable(files[first::count])) for first in range(count)]


def recorded(session: pytest.Session, items: Sequence[pytest.Item], tracer: Tracer) -> Reach:
    """What each of `items` reaches. Raises AssertionError when one fails."""
    known = Reach()
    tracer.start()
    for item, following in zip(items, [*items[1:], None], strict=True):
        started = time.process_time()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        assert not session.testsfailed, item.nodeid
        known.seconds[item.nodeid] = round(time.process_time() - started, 3)
        known.called[item.nodeid] = tracer.taken()
    tracer.stop()
    return known


def run(session: pytest.Session, items: Sequence[pytest.Item], known: Reach) -> str | None:
    """The first of `items` that fails; None if all pass."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        _limit_cpu(20 + 10 * known.seconds.get(item.nodeid, 10))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return item.nodeid
    return None


def _limit_cpu(seconds: float) -> None:
    """Ends this process when it works for `seconds` from now on: a loop without an end."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _exchange_script(before: str, after: str) -> None:
    from clients.redis import scripts  # noqa: PLC0415 - this module lives longer than ours

    original = scripts.source
    scripts.source = lambda name: original(name).replace(before, after)  # type: ignore[assignment]


def _exchange(checkout: Path, mutant: Mutant, source: str, known: Reach) -> bool:
    """Whether the function that holds the mutant could be given its code."""
    function = reach.enclosing(source, mutant.line)
    if not function or (mutant.path, function) in known.imported:
        return False
    place = str(checkout / mutant.path), function
    module = compile(mutant.applied(source), place[0], "exec", dont_inherit=True)
    codes = [each for each in _codes(module) if _place(each) == place]
    owners = [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType) and _place(each.__code__) == place
    ]
    if len(codes) != 1 or {len(each.__code__.co_freevars) for each in owners} != {
        len(codes[0].co_freevars)
    }:
        return False
    for owner in owners:
        owner.__code__ = codes[0]
    return True


def _place(code: CodeType) -> tuple[str, str]:
    return code.co_filename, code.co_qualname


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


class Chosen:
    """A plug-in of pytest that runs `tests` and no others, and remembers which one failed."""

    def __init__(self, tests: Sequence[str], known: Reach) -> None:
        self._tests, self._known = tests, known
        self.failed: str | None = "importing"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Runs them."""
        by_id = {item.nodeid: item for item in session.items}
        self.failed = run(session, [by_id[test] for test in self._tests], self._known)
        return True


def _imported_anew(file: Path, text: str, tests: Sequence[str], known: Reach) -> str | None:
    """As `killer`, in a second pytest within this process, whose import of `file` gives `text`."""
    load = importlib.machinery.SourceFileLoader.get_code

    def get_code(loader: Any, name: str) -> CodeType | None:
        if Path(loader.path) == file:
            return compile(text, str(file), "exec", dont_inherit=True)
        return load(loader, name)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]
    for name in [each for each in sys.modules if each.partition(".")[0] in reach.OURS]:
        if not name.startswith("tests.mutants"):
            del sys.modules[name]
    chosen = Chosen(tests, known)
    files = sorted({test.partition("::")[0] for test in tests})
    pytest.main([*OPTIONS, *files], plugins=[chosen])
    return chosen.failed
