"""What a run came to, and hey's summary of it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

MOST_LATENCIES: Final = 1_000_000
"""Requests whose latency is kept for the histogram; hey's own number."""
MOST_ERRORS: Final = 50
"""Different texts of errors that are told apart."""

PERCENTILES: Final = (10, 25, 50, 75, 90, 95, 99)
BUCKETS: Final = 10
_BAR: Final = "■"
_BAR_LENGTH: Final = 40


@dataclass(slots=True)
class Results:
    """What came of the requests so far; latencies in seconds, of those that were answered."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    size: int = 0

    def answered(self, seconds: float, status: int, size: int) -> None:
        """Counts an answer of `size` bytes."""
        if len(self.latencies) < MOST_LATENCIES:
            self.latencies.append(seconds)
        self.statuses[status] += 1
        self.size += size

    def failed(self, error: str) -> None:
        """Counts a request without an answer."""
        known = error in self.errors or len(self.errors) < MOST_ERRORS
        self.errors[error if known else "other errors"] += 1


def summary(results: Results, seconds: float) -> str:
    """The report that hey gives of a run that took so long."""
    return "\n".join(["", *_lines(results, seconds), ""])


def _lines(results: Results, seconds: float) -> Iterator[str]:
    latencies = sorted(results.latencies)
    answers = results.statuses.total()
    yield from ("Summary:", f"  Total:\t{seconds:.4f} secs")
    if latencies:
        yield f"  Slowest:\t{latencies[-1]:.4f} secs"
        yield f"  Fastest:\t{latencies[0]:.4f} secs"
        yield f"  Average:\t{sum(latencies) / len(latencies):.4f} secs"
    yield f"  Requests/sec:\t{(answers + results.errors.total()) / seconds:.4f}"
    if results.size:
        yield from ("", f"  Total data:\t{results.size} bytes")
        yield f"  Size/request:\t{results.size // answers} bytes"
    if latencies:
        yield from ("", "Response time histogram:", *_histogram(latencies))
        yield from ("", "", "Latency distribution:", *_distribution(latencies))
    if answers:
        yield from ("", "Status code distribution:")
        for status, count in sorted(results.statuses.items()):
            yield f"  [{status}]\t{count} responses"
    if results.errors:
        yield from ("", "Error distribution:")
        yield from (f"  [{count}]\t{error}" for error, count in results.errors.most_common())


def histogram(latencies: Sequence[float]) -> list[tuple[float, int]]:
    """For each mark from the fastest to the slowest, how many are up to it and above the last.

    `latencies` are sorted.
    """
    fastest, slowest = latencies[0], latencies[-1]
    width = (slowest - fastest) / BUCKETS
    marks = [*(fastest + width * step for step in range(BUCKETS)), slowest]
    counts, bucket = [0] * len(marks), 0
    for latency in latencies:
        while latency > marks[bucket]:
            bucket += 1
        counts[bucket] += 1
    return list(zip(marks, counts, strict=True))


def _histogram(latencies: Sequence[float]) -> Iterator[str]:
    buckets = histogram(latencies)
    most = max(count for _, count in buckets)
    for mark, count in buckets:
        yield f"  {mark:4.3f} [{count}]\t|{_BAR * ((count * _BAR_LENGTH + most // 2) // most)}"


def _distribution(latencies: Sequence[float]) -> Iterator[str]:
    for percent in PERCENTILES:
        at = min(len(latencies) - 1, -(-percent * len(latencies) // 100))
        yield f"  {percent}% in {latencies[at]:.4f} secs"
