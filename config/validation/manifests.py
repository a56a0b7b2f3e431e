"""The way in: a raw object from the API server or a file becomes a model, or a list of problems.

Nothing else builds models from user input. Whatever JSON comes, the answer is a model or
InvalidSpec; all problems are reported at once, sorted by field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from config import well_known
from config.api.alert_provider import AlertProvider
from config.api.canary import Canary, with_analysis
from config.api.metric_template import MetricTemplate
from config.api.model import Model
from config.validation import (
    analysis_rules,
    service_rules,
    structure,
    target_rules,
    template_rules,
)
from config.validation.problems import InvalidSpec, Problem, shown

M = TypeVar("M", bound=Model)
Rules = Iterable[Callable[[M], Iterator[Problem]]]

CANARY_RULES: Final = (*target_rules.RULES, *service_rules.RULES, *analysis_rules.RULES)


def load_canary(raw: Mapping[str, Any], *, block_cross_namespace_refs: bool = False) -> Canary:
    """The Canary that the raw object describes.

    With `block_cross_namespace_refs`, references into other namespaces are problems too. Raises
    InvalidSpec with every problem found.
    """
    blocking = (target_rules.no_cross_namespace_refs,) if block_cross_namespace_refs else ()
    return _load(Canary, raw, well_known.CANARY_KIND, (*CANARY_RULES, *blocking))


def load_metric_template(raw: Mapping[str, Any]) -> MetricTemplate:
    """The MetricTemplate that the raw object describes. Raises InvalidSpec."""
    rules = (template_rules.template_is_complete,)
    return _load(MetricTemplate, raw, well_known.METRIC_TEMPLATE_KIND, rules)


def load_alert_provider(raw: Mapping[str, Any]) -> AlertProvider:
    """The AlertProvider that the raw object describes. Raises InvalidSpec."""
    rules = (template_rules.provider_has_one_address,)
    return _load(AlertProvider, raw, well_known.ALERT_PROVIDER_KIND, rules)


def _load(model: type[M], raw: Any, kind: str, rules: Rules[M]) -> M:
    problems = list(_identity(raw, kind))
    try:
        loaded = _parsed(model, raw)
    except structure.BrokenParts as error:
        problems += (*error.problems, *_judged_without(model, raw, error, rules))
        raise InvalidSpec(_in_user_terms(raw, problems)) from None
    problems += (problem for rule in rules for problem in rule(loaded))
    if problems:
        raise InvalidSpec(_in_user_terms(raw, problems))
    return loaded


def _parsed(model: type[M], raw: Any) -> M:
    """The raw object as a model. Raises BrokenParts with all that is too big or of a wrong type."""
    excesses = tuple(structure.excesses(model, _plain(raw)))
    if not excesses:
        return structure.parse(model, raw)
    # What is too big is not parsed: it would give as many problems as it has parts.
    try:
        structure.parse(model, structure.without(_plain(raw), excesses))
    except structure.BrokenParts as error:
        excesses += error.parts
    raise structure.BrokenParts(excesses)


def _identity(raw: Any, kind: str) -> Iterator[Problem]:
    """The object says that it is of our API; objects from lists may leave both fields out."""
    if not isinstance(raw, Mapping):
        return
    for field, expected in (("apiVersion", well_known.API_VERSION), ("kind", kind)):
        value = raw.get(field)
        if isinstance(value, str) and value != expected:
            yield Problem.invalid(field, shown(value), expected, "is another API")


def _judged_without(
    model: type[M], raw: Any, error: structure.BrokenParts, rules: Rules[M]
) -> Iterator[Problem]:
    """Problems of the parts that are not broken.

    What a broken part implies for its neighbours (a strategy that seems missing because its value
    was unusable) is not reported.
    """
    try:
        whole = structure.parse(model, structure.without(_plain(raw), error.parts))
    except structure.BrokenParts:
        return
    for problem in (problem for rule in rules for problem in rule(whole)):
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
