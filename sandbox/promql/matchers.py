"""Label matchers of a selector, compiled to predicates on label sets."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import promql_parser

from sandbox.promql import errors
from sandbox.promql.labels import METRIC_NAME, Labels


@dataclass(frozen=True, slots=True)
class LabelMatcher:
    """A condition on one label; `equals` holds the required value of an `=` matcher."""

    name: str
    accepts: Callable[[str], bool]
    equals: str | None = None

    def matches(self, labels: Labels) -> bool:
        """True when the label's value is accepted; an absent label has the empty value."""
        return self.accepts(labels.get(self.name))


def compile_selector(selector: promql_parser.VectorSelector) -> tuple[LabelMatcher, ...]:
    """The matchers of `selector`, its metric name first; all must accept a series."""
    if selector.matchers.or_matchers:
        raise errors.BadQueryError('"or" between label matchers is not part of PromQL')
    named = () if selector.name is None else (equal(METRIC_NAME, selector.name),)
    return named + tuple(_compile(matcher) for matcher in selector.matchers.matchers)


def equal(name: str, value: str) -> LabelMatcher:
    """The matcher `name="value"`."""
    return LabelMatcher(name, lambda actual: actual == value, equals=value)


def all_match(matchers: Sequence[LabelMatcher], labels: Labels) -> bool:
    """True when every matcher accepts `labels`."""
    return all(matcher.matches(labels) for matcher in matchers)


def _compile(matcher: promql_parser.Matcher) -> LabelMatcher:
    value = matcher.value
    if matcher.op == promql_parser.MatchOp.Equal:
        return equal(matcher.name, value)
    if matcher.op == promql_parser.MatchOp.NotEqual:
        return LabelMatcher(matcher.name, lambda actual: actual != value)
    whole = anchored(value)
    if matcher.op == promql_parser.MatchOp.Re:
        return LabelMatcher(matcher.name, lambda actual: whole(actual) is not None)
    return LabelMatcher(matcher.name, lambda actual: whole(actual) is None)


@lru_cache(maxsize=1024)
def anchored(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """A matcher of whole strings against `pattern`, as Prometheus anchors it.

    Raises ExecutionError for RE2 syntax that Python's `re` reads differently: POSIX classes and
    Unicode classes. Look-around, which RE2 lacks, is refused when the query is parsed.
    """
    if "[:" in pattern or re.search(r"\\[pP]", pattern):
        message = f"regular expression {pattern!r}: POSIX and Unicode classes are not supported"
        raise errors.ExecutionError(message)
    try:
        return re.compile(pattern.replace(r"\z", r"\Z"), re.ASCII).fullmatch
    except re.error as error:
        raise errors.BadQueryError(f"regular expression {pattern!r}: {error}") from error
