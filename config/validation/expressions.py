"""Regular expressions as meshes take them: RE2, which has neither look-around nor back-references.

Istio refuses a route with such an expression where its webhook is asked, and its proxies keep the
routes that they had where it is not: either way nothing of the canary would be in force.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from config.api.canary import Canary
from config.api.istio import StringMatch
from config.validation.problems import Problem
from config.validation.rules import ANALYSIS, SERVICE, Rule, problem

ALLOWED: Final = "an RE2 expression, without look-around and back-references"

# Each alternative takes what it begins with, whatever follows: one pass over any text.
_TOKEN: Final = re.compile(
    r"\\Q.*?(?:\\E|\Z)"  # quoted text
    r"|\[\^?\]?(?:\\.|\[:\w*:\]|[^\]\\])*\\?(?:\]|\Z)"  # one character of several
    r"|(?P<unknown>\(\?<?[=!]|\\[1-7](?![0-7])|\\[89])"
    r"|\\?.",
    re.DOTALL,
)


def what_is_unknown(expression: str) -> str:
    """The first part that RE2 does not know, and where; empty where there is none.

    Not a parser: of what else may be wrong with an expression, the mesh is the judge.
    """
    for token in _TOKEN.finditer(expression):
        if token["unknown"]:
            return f"{token['unknown']} at character {token.start() + 1}"
    return ""


def expressions_are_re2(canary: Canary) -> Iterator[Problem]:
    """No comparison by an expression that no mesh could carry out."""
    for field, expression in _expressions(canary):
        if unknown := what_is_unknown(expression):
            yield problem(f"{field}.regex", expression, ALLOWED, f"RE2 has no {unknown}")


def _expressions(canary: Canary) -> Iterator[tuple[str, str]]:
    cors = canary.spec.service.cors_policy
    for index, origin in enumerate((cors and cors.allow_origins) or ()):
        if origin.regex:
            yield f"{SERVICE}.corsPolicy.allowOrigins[{index}]", origin.regex
    for field, match in comparisons(canary):
        if match.regex:
            yield field, match.regex


def comparisons(canary: Canary) -> Iterator[tuple[str, StringMatch]]:
    """Every comparison of a part of requests, by its field."""
    spec = canary.spec
    for place, requests in ((SERVICE, spec.service.match), (ANALYSIS, spec.analysis.match)):
        for index, request in enumerate(requests):
            for path, match in request.comparisons.items():
                yield f"{place}.match[{index}].{path}", match
    for index, entry in enumerate(spec.analysis.a_b_test):
        yield f"{ANALYSIS}.a_b_test[{index}].header.value", entry.header.value


RULES: Final[tuple[Rule, ...]] = (expressions_are_re2,)
