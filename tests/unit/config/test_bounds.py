"""Upper bounds: everything that drives a loop, a wait or a size has one, everywhere the same.

Walked are all fields of all specs. Held against each other: the table, the CRDs as the sandbox's
API server understands them, and validation. What a real API server makes of the rules on durations
is in tests/contract/test_crds.py; what the rest of the system makes of extreme values in
tests/unit/analysis/test_extremes.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest

from config import durations
from config.api import bounds, crds, schema
from config.validation import manifests, structure
from config.validation.problems import InvalidSpec
from sandbox.apiserver import validation
from tests.unit.config.broken_manifests import with_analysis, with_hook, with_metric
from tests.unit.config.manifests import Raw, a_manifest, an_analysis

UNBOUNDED: Final = {"Canary spec.canaryAnalysis": "has the bounds of analysis wherever it is used"}


@dataclass(frozen=True)
class Leaf:
    """A field of a spec: its path as in the table, and its schema in the CRD."""

    kind: crds.Kind
    path: str
    node: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.path}"

    @property
    def most(self) -> Any:
        """The bound that the table has for it."""
        bound = bounds.of(self.node, self.path)
        assert bound is not None
        return bound.most

    @property
    def is_duration(self) -> bool:
        """Whether the text is one that is parsed as a time span."""
        return str(self.node.get("pattern")) == durations.STRICT_PATTERN

    def holding(self, value: Any) -> Raw:
        """A spec with `value` in this field and nothing else."""
        for step in reversed(self.path.replace("[]", ".[]").replace("{}", ".{}").split(".")[1:]):
            value = [value] if step == "[]" else {"x" if step == "{}" else step: value}
        spec: Raw = value
        return spec

    def large(self, *, excess: bool) -> Any:
        """The largest value within the bound, or the smallest beyond it."""
        most = self.most
        if isinstance(most, timedelta):
            return durations.format_go(most + timedelta(seconds=excess))
        count: Any = most * 2 if excess and isinstance(most, float) else most + excess
        match self.node.get("type"):
            case "string":
                return "x" * count
            case "array":
                return [None] * count
            case "object":
                return {str(number): None for number in range(count)}
            case _:
                return count


def _leaves(kind: crds.Kind, node: dict[str, Any], path: str) -> Iterator[Leaf]:
    inner = {f"{path}.{name}": child for name, child in node.get("properties", {}).items()}
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(key), dict):
            inner[path + mark] = node[key]
    if "properties" not in node and node.get("type") != "boolean" and "enum" not in node:
        yield Leaf(kind, path, node)
    for place, child in inner.items():
        yield from _leaves(kind, child, place)


SPECS: Final = {kind: schema.bounded(kind.spec) for kind in crds.KINDS}
LEAVES: Final = [leaf for kind, spec in SPECS.items() for leaf in _leaves(kind, spec, "spec")]
BOUNDED: Final = [leaf for leaf in LEAVES if str(leaf) not in UNBOUNDED]


def test_the_fields_of_all_specs_are_walked() -> None:
    """None is passed over: each kind of field turns up, in number."""
    kinds = [leaf.node.get("type", "number or text") for leaf in LEAVES]

    assert {kind: kinds.count(kind) > 0 for kind in kinds} == dict.fromkeys(
        ("string", "integer", "number", "array", "object", "number or text"), True
    )
    assert len(LEAVES) > 250
    assert sum(leaf.is_duration for leaf in LEAVES) == 8


@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.kind)
def test_every_number_duration_list_map_and_text_has_an_upper_bound(kind: crds.Kind) -> None:
    """In the CRD; a field without one is named here, with the reason, or it fails."""
    words = {"maximum", "maxLength", "maxItems", "maxProperties"}
    lacking = [
        str(leaf) for leaf in LEAVES if leaf.kind is kind and not words.intersection(leaf.node)
    ]

    assert set(lacking) == {name for name in UNBOUNDED if name.startswith(f"{kind.kind} ")}


def test_every_duration_has_a_longest_one() -> None:
    """The number of its characters is not enough: 99999999999h has twelve."""
    for leaf in BOUNDED:
        assert isinstance(leaf.most, timedelta) == leaf.is_duration, leaf
        assert ("x-kubernetes-validations" in leaf.node) == leaf.is_duration, leaf


def test_a_number_without_a_row_is_not_overlooked() -> None:
    """Who adds one is made to think of its bound."""
    with pytest.raises(LookupError, match=r"spec\.analysis\.surge"):
        bounds.keywords({"type": "integer"}, "spec.analysis.surge")


def test_every_row_of_the_table_bounds_something() -> None:
    """A row for a field that is gone would pass for protection."""
    used = {id(bounds.of(leaf.node, leaf.path)) for leaf in BOUNDED}
    paths = [leaf.path for leaf in BOUNDED]

    assert {id(bound) for bound in bounds.TABLE.values()} <= used
    for row in bounds.TABLE:
        assert any(path.endswith(f".{row}") for path in paths), row


def _told_by_validation(leaf: Leaf, value: Any) -> list[str]:
    raw = {"spec": leaf.holding(value)}
    found = structure.excesses(leaf.kind.spec, raw)
    return [part.problem.field.replace("[0]", "[]").replace(".x", "{}") for part in found]


def _told_by_the_crd(leaf: Leaf, value: Any) -> list[str]:
    errors = validation.check(SPECS[leaf.kind], leaf.holding(value), "spec")
    places = [
        error.field for error in errors if re.search(r"Too (long|many)|less than", error.text)
    ]
    return [place.replace("[0]", "[]").replace(".x", "{}") for place in places]


def test_validation_and_the_crd_agree_on_every_bound() -> None:
    """The largest value passes both, the next one neither; of durations validation alone speaks."""
    judges = (_told_by_validation, _told_by_the_crd)
    for leaf in BOUNDED:
        for judge in judges[:1] if leaf.is_duration else judges:
            assert judge(leaf, leaf.large(excess=False)) == [], leaf
            assert judge(leaf, leaf.large(excess=True)) == [leaf.path], leaf


@pytest.mark.parametrize(
    ("raw", "what", "allowed"),
    [
        (
            with_hook(retries=400_000),
            "spec.analysis.webhooks[0].retries: 400000: is out of range",
            "a whole number from 0 to 100",
        ),
        (
            with_hook(timeout="2000000h"),
            'spec.analysis.webhooks[0].timeout: "2000000h": is too long',
            "a duration up to 24h0m0s",
        ),
        (
            with_analysis(stepWeight=None, stepWeights=list(range(1, 300))),
            "spec.analysis.stepWeights: 299 entries: is too long",
            "at most 256 entries",
        ),
        (
            with_hook(url="http://x/?token=s3cr3t" + "x" * 5000),
            "spec.analysis.webhooks[0].url: 5022 characters: is too long",
            "at most 4096 characters",
        ),
        (
            with_metric(templateVariables={"k" * 400: "v"}),
            "spec.analysis.metrics[0].templateVariables: 400 characters of a key: is too long",
            "at most 317 characters of a key",
        ),
    ],
)
def test_a_refusal_names_field_value_and_what_is_allowed(raw: Raw, what: str, allowed: str) -> None:
    """Whole, because it is what the author gets to see; a URL that is too long is not shown."""
    with pytest.raises(InvalidSpec) as refusal:
        manifests.load_canary(raw)

    assert str(refusal.value) == f"{what} (allowed: {allowed})"


def test_bounds_hold_below_the_older_key_too() -> None:
    """Who wrote `canaryAnalysis` is told about `canaryAnalysis`."""
    raw = a_manifest(canaryAnalysis=an_analysis(interval="2000000h"))
    del raw["spec"]["analysis"]

    with pytest.raises(InvalidSpec) as refusal:
        manifests.load_canary(raw)

    assert [problem.field for problem in refusal.value.problems] == ["spec.canaryAnalysis.interval"]


def test_what_is_out_of_bounds_does_not_hide_what_else_is_wrong() -> None:
    """All at once, as for values of a wrong type."""
    raw = with_analysis(threshold=10**9, interval="5min", stepWeight="ten")

    with pytest.raises(InvalidSpec) as refusal:
        manifests.load_canary(raw)

    assert [problem.field for problem in refusal.value.problems] == [
        "spec.analysis.interval",
        "spec.analysis.stepWeight",
        "spec.analysis.threshold",
    ]


def test_a_refusal_of_anything_is_short() -> None:
    """A million wrong entries are one problem, and a thousand wrong values a hundred."""
    long = with_analysis(stepWeight=None, stepWeights=["x"] * 1_000_000)
    wide = with_analysis(
        webhooks=[{"name": 1, "url": 2, "metadata": dict.fromkeys("abcdefgh", 3)}] * 64
    )
    for raw, problems in ((long, 1), (wide, 100)):
        with pytest.raises(InvalidSpec) as refusal:
            manifests.load_canary(raw)
        assert len(refusal.value.problems) == problems
