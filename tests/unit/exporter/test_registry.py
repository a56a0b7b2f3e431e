"""The metrics of a process: every one that is declared counts, as Prometheus reads it."""

from clients import instruments
from clients.instruments import Kind
from exporter import exposition, table
from exporter.registry import Registry
from tests.unit.exporter.scraping import labels, scrape


def test_every_declared_metric_counts() -> None:
    """By its name, with its labels, one more each time."""
    registry = Registry("1.2", "analysis-1")
    for metric in instruments.TABLE:
        values = [f"a-{name}" for name in metric.labels]
        key = labels(**dict(zip(metric.labels, values, strict=True)))
        for _ in range(2):
            if metric.kind is Kind.COUNTER:
                registry.add(metric, *values)
            else:
                registry.observe(metric, metric.buckets[0], *values)
        scraped = scrape(registry)
        if metric.kind is Kind.COUNTER:
            assert scraped[metric.name][key] == 2
        else:
            assert scraped[f"{metric.name}_count"][key] == 2
            first = labels(**dict(key), le=str(metric.buckets[0]))
            assert scraped[f"{metric.name}_bucket"][first] == 2


def test_a_process_says_who_it_is_and_what_it_uses() -> None:
    """Prometheus' own metrics of processes, which its dashboards know."""
    scraped = scrape(Registry("1.2", "analysis-1"))
    assert scraped["coalmine_info"] == {labels(version="1.2", role="analysis-1"): 1}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= scraped.keys()
    assert not [name for name in scraped if name.endswith("_created")]


def test_labels_are_escaped_and_numbers_are_exact() -> None:
    """What users write may hold anything; the library's own parser reads it back."""
    odd = ('a "quoted" name', "back\\slash\nand line", "")
    counts, total = (1, 0, 2, *(0,) * 8, 1), 12.345678901234567
    registry = Registry("1.2", "beat")
    registry.look_up(
        lambda: [
            exposition.family(table.METRIC_ANALYSIS, {odd: 1e-9, ("", "", "x"): float("inf")}),
            exposition.histogram(table.DURATION, {odd[:2]: (counts, total)}),
            exposition.family(table.LEADING, {}),
        ]
    )
    scraped = scrape(registry)
    keys = (
        labels(name=odd[0], namespace=odd[1], metric=""),
        labels(name="", namespace="", metric="x"),
    )
    assert scraped["flagger_canary_metric_analysis"] == dict(
        zip(keys, (1e-9, float("inf")), strict=True)
    )
    who = {"name": odd[0], "namespace": odd[1]}
    assert scraped["flagger_canary_duration_seconds_sum"] == {labels(**who): total}
    assert scraped["flagger_canary_duration_seconds_count"] == {labels(**who): 4}
    buckets = scraped["flagger_canary_duration_seconds_bucket"]
    assert [buckets[labels(**who, le=le)] for le in ("0.005", "0.025", "10.0", "+Inf")] == [
        1,
        3,
        3,
        4,
    ]
    assert "coalmine_leading" not in scraped


def test_what_is_looked_up_is_looked_up_at_each_scrape() -> None:
    """And not when it is made known: Redis may be away then."""
    looks = iter((1.0, 0.0))
    registry = Registry("1.2", "routing")
    registry.look_up(lambda: [exposition.family(table.TAKES, {(): next(looks)})])
    assert scrape(registry)["coalmine_worker_takes_jobs"] == {labels(): 1}
    assert scrape(registry)["coalmine_worker_takes_jobs"] == {labels(): 0}
