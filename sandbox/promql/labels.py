"""Label sets: the identity of a series.

Immutable, sorted by name, with the hash kept: a label set is looked up once per sample written
and once per sample grouped. An empty value is the same as no label, as in Prometheus.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

METRIC_NAME: Final = "__name__"
BUCKET_BOUND: Final = "le"


class Labels:
    """A sorted set of label name and value pairs, usable as a dictionary key."""

    __slots__ = ("_by_name", "_hash", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Labels of `pairs`; later pairs win over earlier ones of the same name."""
        by_name = {name: value for name, value in pairs if value != ""}
        self.pairs = tuple(sorted(by_name.items()))
        self._by_name = by_name
        self._hash = hash(self.pairs)

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Labels:
        """Labels with the entries of `labels`."""
        return cls(labels.items())

    def get(self, name: str) -> str:
        """The value of label `name`, or the empty string when it is absent."""
        return self._by_name.get(name, "")

    def keep(self, names: Collection[str]) -> Labels:
        """Only the labels called one of `names`."""
        return Labels(pair for pair in self.pairs if pair[0] in names)

    def drop(self, names: Collection[str]) -> Labels:
        """All labels except those called one of `names`."""
        return Labels(pair for pair in self.pairs if pair[0] not in names)

    def without_name(self) -> Labels:
        """All labels but the metric name; itself when it has none."""
        return self.drop((METRIC_NAME,)) if METRIC_NAME in self._by_name else self

    def replace(self, name: str, value: str) -> Labels:
        """These labels with `name` set to `value`; an empty value removes the label."""
        return Labels([*self.drop((name,)).pairs, (name, value)])

    def as_dict(self) -> dict[str, str]:
        """A new dictionary of name to value, sorted by name."""
        return dict(self.pairs)

    def __hash__(self) -> int:
        """The hash computed at construction."""
        return self._hash

    def __eq__(self, other: object) -> bool:
        """True for labels with the same pairs."""
        return isinstance(other, Labels) and self.pairs == other.pairs

    def __repr__(self) -> str:
        """The labels as PromQL writes them: `name{a="b"}`."""
        inner = ", ".join(f'{n}="{v}"' for n, v in self.pairs if n != METRIC_NAME)
        return f"{self.get(METRIC_NAME)}{{{inner}}}"


EMPTY: Final = Labels(())
