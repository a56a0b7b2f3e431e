"""The way in: a raw object from the API server or a file becomes a model, or a list of problems.

Nothing else builds models from user input. Whatever JSON comes, the answer is a model or
InvalidSpec; all problems are reported at once, sorted by field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from config import well_known
from config.api.canary import Canary, CanarySpec, with_analysis
from config.validation import (
    analysis_rules,
    expressions,
    service_rules,
    structure,
    target_rules,
)
from config.validation.problems import InvalidSpec, Problem, shown
from config.validation.rules import Rule

CANARY_RULES: Final = (
    *target_rules.RULES,
    *service_rules.RULES,
    *analysis_rules.RULES,
    *expressions.RULES,
)


def load_canary(raw: Mapping[str, Any], *, block_cross_namespace_refs: bool = False) -> Canary:
    """The Canary that the raw object describes.

    With `block_cross_namespace_refs`, references into other namespaces are problems too. Raises
    InvalidSpec with every problem found.
    """
    blocking = (target_rules.no_cross_namespace_refs,) if block_cross_namespace_refs else ()
    rules, problems = (*CANARY_RULES, *blocking), list(_identity(raw))
    try:
        canary = _parsed(raw)
    except structure.BrokenParts as error:
        problems += (*error.problems, *_judged_without(raw, error, rules))
        raise InvalidSpec(_in_user_terms(raw, problems)) from None
    problems += (problem for rule in rules for problem in rule(canary))
    if problems:
        raise InvalidSpec(_in_user_terms(raw, problems))
    return canary


def _parsed(raw: Any) -> Canary:
    """The raw object as a model. Raises BrokenParts with all that is too big or of a wrong type."""
    excesses = tuple(structure.excesses(CanarySpec, _plain(raw)))
    if not excesses:
        return structure.parse(Canary, raw)
    # What is too big is not parsed: it would give as many problems as it has parts.
    try:
        structure.parse(Canary, structure.without(_plain(raw), excesses))
    except structure.BrokenParts as error:
        excesses += error.parts
    raise structure.BrokenParts(excesses)


def _identity(raw: Any) -> Iterator[Problem]:
    """The object says that it is of our API; objects from lists may leave both fields out."""
    if not isinstance(raw, Mapping):
        return
    for field, expected in (
        ("apiVersion", well_known.API_VERSION),
        ("kind", well_known.CANARY_KIND),
    ):
        value = raw.get(field)
        if isinstance(value, str) and value != expected:
            yield Problem.invalid(field, shown(value), expected, "is another API")


def _judged_without(
    raw: Any, error: structure.BrokenParts, rules: Iterable[Rule]
) -> Iterator[Problem]:
    """Problems of the parts that are not broken.

    What a broken part implies for its neighbours (a strategy that seems missing because its value
    was unusable) is not reported.
    """
    try:
        canary = structure.parse(Canary, structure.without(_plain(raw), error.parts))
    except structure.BrokenParts:
        return
    for problem in (problem for rule in rules for problem in rule(canary)):
        if not any(_one_holds_the_other(problem.field, part.field) for part in error.problems):
            yield problem


def _plain(raw: Any) -> Any:
    """The raw object with `analysis` under its own name."""
    if isinstance(raw, Mapping) and "spec" in raw:
        return {**raw, "spec": with_analysis(raw["spec"])}
    return raw


def _one_holds_the_other(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) and longer[len(shorter) : len(shorter) + 1] in {"", ".", "["}


def _in_user_terms(raw: Any, found: Iterable[Problem]) -> Iterator[Problem]:
    """The problems with the field names the user wrote: `canaryAnalysis` where that is in use."""
    spec = raw.get("spec") if isinstance(raw, Mapping) else None
    by_alias = with_analysis(spec) is not spec
    for problem in found:
        prefix, analysis, rest = problem.field.partition("spec.analysis")
        if by_alias and analysis and not prefix:
            yield problem.at(f"spec.canaryAnalysis{rest}")
        else:
            yield problem
