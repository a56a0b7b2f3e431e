"""The samples that the sandbox and a real Prometheus are asked about in `test_promql`.

Istio counters of several workloads (with resets, gaps, a late start, an early end, no traffic),
duration histograms, odd classic histograms, gauges with every kind of number, and odd labels.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

BASE: Final = 1_700_000_000
"""Start of the data, seconds since the epoch."""

END: Final = BASE + 600
"""Time of its last regular samples."""

Samples = Sequence[tuple[float, float]]


def _counter(
    per_second: float, *, every: float = 5, first: float = 0, last: float = 600, shift: float = 0.0
) -> list[tuple[float, float]]:
    """A counter scraped `every` seconds from `first` to `last`, growing from zero at `first`."""
    count = int((last - first) / every) + 1
    times = [first + shift + every * index for index in range(count)]
    return [(BASE + t, math.floor(per_second * (t - first))) for t in times]


def _reset_at(samples: Samples, *resets: float) -> list[tuple[float, float]]:
    """`samples` as a counter that fell to zero at each of `resets` (seconds from the start)."""
    lost, result = 0.0, []
    for index, (time, value) in enumerate(samples):
        if any(samples[index - 1][0] < BASE + r <= time for r in resets if index):
            lost = value
        result.append((time, value - lost))
    return result


def _istio(workload: str, code: str, reporter: str = "destination", **more: str) -> dict[str, str]:
    return {
        "reporter": reporter,
        "destination_workload_namespace": more.get("namespace", "test"),
        "destination_workload": workload,
        "response_code": code,
        "request_protocol": "http",
    }


def _requests() -> Iterator[tuple[dict[str, str], Samples]]:
    rates = {"200": 9.7, "404": 0.3, "500": 1.1}
    for code, per_second in rates.items():
        for reporter, shift in (("destination", 0.0), ("source", 1.237)):
            yield (
                _istio("podinfo", code, reporter),
                _reset_at(_counter(per_second, shift=shift), 200, 333),
            )
            yield _istio("podinfo-primary", code, reporter), _counter(per_second * 4, shift=shift)
    yield _istio("late", "200"), _counter(3.0, first=300)
    yield _istio("early", "200"), _counter(3.0, last=250)
    yield _istio("idle", "200"), [(BASE + t, 12.0) for t in range(0, 601, 5)]
    yield _istio("once", "200"), [(BASE + 402, 5.0)]
    yield _istio("sparse", "200"), _counter(1.0, every=47)
    yield _istio("failing", "503"), _counter(2.0)
    yield _istio("podinfo", "200", namespace="other"), _counter(6.0)


def _durations() -> Iterator[tuple[dict[str, str], Samples]]:
    shares = {"5": 0.1, "10": 0.35, "25": 0.7, "50": 0.9, "100": 0.97, "500": 0.995, "+Inf": 1.0}
    for workload, factor in (("podinfo", 1.0), ("podinfo-primary", 4.0)):
        for bound, share in shares.items():
            labels = {**_istio(workload, "200"), "le": bound}
            samples = _counter(9.7 * factor * share)
            yield labels, _reset_at(samples, 333) if workload == "podinfo" else samples
    yield {**_istio("slow", "200"), "le": "+Inf"}, _counter(1.0)
    yield {**_istio("slow", "200"), "le": "100"}, _counter(0.2)


HISTOGRAMS: Final[Mapping[str, Mapping[str, float]]] = {
    "plain": {"1": 10, "2": 30, "4": 60, "+Inf": 100},
    "no-inf": {"1": 10, "2": 30},
    "only-inf": {"+Inf": 10},
    "empty": {"1": 0, "2": 0, "+Inf": 0},
    "not-monotonic": {"1": 10, "2": 8, "4": 20, "+Inf": 19},
    "negative": {"-1": 5, "0": 10, "1": 20, "+Inf": 20},
    "zero-first": {"0": 5, "1": 20, "+Inf": 20},
    "bad-bound": {"x": 5, "1": 20, "+Inf": 30},
    "nan": {"1": math.nan, "2": math.nan, "+Inf": math.nan},
    "all-low": {"0.5": 7, "1": 7, "+Inf": 7},
    "equal-bounds": {"1": 3, "1.0": 4, "2": 10, "+Inf": 10},
    "scientific": {"1e-3": 3, "1e+01": 9, "+Inf": 10},
}

GAUGES: Final[Mapping[str, float]] = {
    "zero": 0.0,
    "one": 1.0,
    "minus": -2.5,
    "half": 0.5,
    "big": 1.5e21,
    "tiny": 1.25e-7,
    "third": 1 / 3,
    "round": 123456789.0,
    "infinite": math.inf,
    "low": -math.inf,
    "nan": math.nan,
}


def _numbers() -> Iterator[tuple[str, dict[str, str], Samples]]:
    for name, value in GAUGES.items():
        yield "gauge", {"kind": name, "group": "ab"[len(name) % 2]}, [(END - 7, value)]
    for name, buckets in HISTOGRAMS.items():
        for bound, count in buckets.items():
            yield "sizes_bucket", {"shape": name, "le": bound}, [(END - 5, count)]
    yield "sizes_bucket", {"shape": "no-bound"}, [(END - 5, 1.0)]
    wave = [(BASE + t, math.sin(t / 37) * 50 + 3) for t in range(0, 601, 10)]
    yield "temperature", {"room": "hall", "floor": "1"}, wave
    yield "temperature", {"room": "attic", "floor": "2"}, [(t, v * 1.5 - 20) for t, v in wave]
    yield "temperature", {"room": "cellar", "floor": "0"}, [(t, -v) for t, v in wave[:20]]
    yield "capacity", {"floor": "1", "unit": "m2"}, [(END - 3, 40.0)]
    yield "capacity", {"floor": "2", "unit": "m2"}, [(END - 3, 25.0)]
    yield "info", {"room": "hall", "colour": "red"}, [(END - 3, 1.0)]
    yield "info", {"room": "attic", "colour": "blue"}, [(END - 3, 1.0)]
    yield "odd", {"text": 'a"b\\c\n\u00e9', "dots": "a.b", "line": "x\ny"}, [(END - 3, 1.0)]


def series() -> Iterator[tuple[dict[str, str], Samples]]:
    """Labels, with the metric name, and samples (time in seconds, value) of each series."""
    for labels, samples in _requests():
        yield {"__name__": "istio_requests_total", **labels}, samples
    for labels, samples in _durations():
        yield {"__name__": "istio_request_duration_milliseconds_bucket", **labels}, samples
    for name, labels, samples in _numbers():
        yield {"__name__": name, **labels}, samples


def openmetrics() -> str:
    """The data as promtool reads it."""

    def escaped(value: str) -> str:
        return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    lines = []
    for labels, samples in series():
        inner = ",".join(f'{n}="{escaped(v)}"' for n, v in labels.items() if n != "__name__")
        for time, value in samples:
            text = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value))
            number = "NaN" if math.isnan(value) else text
            lines.append(f"{labels['__name__']}{{{inner}}} {number} {time:.3f}")
    return "\n".join([*lines, "# EOF", ""])
