"""Flagger's metrics, as they are scraped from the leader while rollouts run.

Source: docs/compatibility/metrics.md, "Exported metrics". Left out: figures of processes
(tests/unit/exporter), and what a real Prometheus makes of them (tests/system/test_dashboards.py).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from clients import instruments
from clients.kube import resources
from exporter.fleet import Fleet
from exporter.registry import Registry
from tests.fakes.faults import Fault
from tests.fakes.notes import Notes
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest
from tests.unit.exporter import scraping
from tests.unit.exporter.scraping import Labels, Scrape, labels, scrape

WHO: Final = {"name": "cart-app", "namespace": "shop"}
COMPLETED: Final = {**WHO, "deployment_strategy": "canary", "analysis_status": "completed"}


def scraper(stage: Stage) -> Registry:
    """The metrics of the beat of `stage`."""
    registry = Registry("1.2.3", "beat")
    fleet = Fleet(stage.beat._loop, stage.store, stage.dispatcher, stage.settings, "1.2.3")
    registry.look_up(fleet)
    return registry


def flaggers(scraped: Scrape, *, but: tuple[str, ...] = ()) -> dict[str, Mapping[Labels, float]]:
    """The series of Flagger's metrics, without those whose names begin with one of `but`."""
    return scraping.named(scraped, "flagger_", but)


def expected(
    status: int, weight: int, successes: Mapping[Labels, int], failures: Mapping[Labels, int]
) -> dict[str, Mapping[Labels, float]]:
    """All of Flagger's series of a cluster with one canary, but those of its checks."""
    return {
        "flagger_info": {labels(version="1.2.3", mesh_provider="istio"): 1},
        "flagger_canary_total": {labels(namespace="shop"): 1},
        "flagger_canary_status": {labels(**WHO): status},
        "flagger_canary_weight": {
            labels(workload="cart-app", namespace="shop"): weight,
            labels(workload="cart-app-primary", namespace="shop"): 100 - weight,
        },
        "flagger_canary_successes_total": dict(successes),
        "flagger_canary_failures_total": dict(failures),
    }


CHECKED: Final = ("flagger_canary_metric_analysis", "flagger_canary_duration_seconds")
NONE: Final = {labels(**COMPLETED): 0}
ONCE: Final = {labels(**COMPLETED): 1}


def test_a_good_release_is_progressing_with_its_weights_and_then_one_success() -> None:
    """Status 1, 0 and 1; both weights at each step; one success, analysed to its end."""
    stage = initialized(a_manifest())
    beat = scraper(stage)
    assert flaggers(scrape(beat)) == expected(1, 0, NONE, NONE)

    stage.release("cart:2")
    for weight in (20, 40, 60):
        rollouts.at_weight(stage, weight)
        stage.settle()
        assert flaggers(scrape(beat), but=CHECKED) == expected(0, weight, NONE, NONE)
    rollouts.finish(stage)
    assert flaggers(scrape(beat), but=CHECKED) == expected(1, 0, ONCE, NONE)


def test_a_bad_release_has_failed_with_all_weight_at_the_primary() -> None:
    """Status 2, weights 100 and 0, one failure: what the articles' alert rule fires on."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    assert flaggers(scrape(scraper(stage)), but=CHECKED) == expected(2, 0, NONE, ONCE)


def test_a_release_without_analysis_counts_as_skipped() -> None:
    """Flagger's label for it; nothing was measured."""
    manifest = a_manifest()
    manifest["spec"]["skipAnalysis"] = True
    stage = rollouts.finish(rollouts.released(manifest))
    skipped = {**NONE, labels(**{**COMPLETED, "analysis_status": "skipped"}): 1}
    assert flaggers(scrape(scraper(stage))) == expected(1, 0, skipped, NONE)


def test_checks_are_shown_with_their_last_values_and_analyses_are_timed() -> None:
    """Durations in seconds, though checks compare milliseconds; a bucket per bound of Flagger's."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    scraped = scrape(scraper(stage))

    assert scraped["flagger_canary_metric_analysis"] == values_of(stage)
    counts = scraped["flagger_canary_duration_seconds_count"]
    assert counts == {labels(**WHO): analyses(stage)}
    assert {dict(key)["le"] for key in scraped["flagger_canary_duration_seconds_bucket"]} == {
        *("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0"),
        "+Inf",
    }


def values_of(stage: Stage) -> dict[Labels, float]:
    """What the timeline says of the last checks."""
    entries = [each for each in stage.store.timeline(stage.ref) if each["checks"]]
    return {
        labels(**WHO, metric=each["metric"]): _in_seconds(each) for each in entries[-1]["checks"]
    }


def _in_seconds(check: Mapping[str, Any]) -> float:
    return float(check["value"]) / (1000 if check["unit"] == "ms" else 1)


def analyses(stage: Stage) -> int:
    """How many decisions were made from checks, or took a step."""
    kept = stage.store.timeline(stage.ref)
    return sum(bool(each["checks"]) or each["message"].startswith("Advance") for each in kept)


def test_who_leads_next_goes_on_counting_and_who_led_tells_nothing() -> None:
    """Nothing is lost with a process, and nothing is there twice."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    former = scraper(stage)
    told = flaggers(scrape(former))
    stage.beat.restart()

    assert flaggers(scrape(former)) == {}
    stage.settle()
    assert flaggers(scrape(scraper(stage))) == told


def test_a_canary_that_is_gone_leaves_no_series() -> None:
    """D-99: neither its own, nor that of its namespace."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    beat = scraper(stage)
    assert labels(**WHO) in scrape(beat)["flagger_canary_status"]
    stage.kube.delete(resources.CANARIES, stage.ref.namespace, stage.ref.name)
    stage.wait(LONG)

    assert flaggers(scrape(beat)) == {
        "flagger_info": {labels(version="1.2.3", mesh_provider="istio"): 1}
    }


def test_after_a_loss_of_redis_statuses_stay_and_counters_begin_anew() -> None:
    """As those of any process that restarts; Prometheus knows what to make of it."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    beat = scraper(stage)
    stage.forget_everything()
    stage.wait(rollouts.INTERVAL)
    assert flaggers(scrape(beat)) == expected(1, 0, NONE, NONE)


def test_what_workers_do_is_told_as_it_is_done() -> None:
    """Each commit, each check and each write once; the steps of a stage are never late."""
    notes = Notes()
    stage = initialized(a_manifest(), Stage(tell=notes))
    before = stage.store.read(stage.ref).version
    told_before = committed(notes)
    assert told_before.total() == before
    stage.release("cart:2")
    rollouts.finish(stage)
    kept = stage.store.timeline(stage.ref, 200)

    assert committed(notes) == Counter(each["rule"] for each in kept)
    checks = [check for each in kept for check in each["checks"]]
    verdicts = Counter((check["verdict"],) for check in checks)
    assert notes.counts[instruments.CHECKS] == verdicts == {("passed",): 3}
    assert notes.values[instruments.LATENESS] == [0.0] * 3
    assert len(notes.values[instruments.TICK_SECONDS]) == 3
    writes = notes.counts[instruments.RECONCILES]
    assert {lane for lane, _ in writes} == {"route", "workload", "status"}
    assert {outcome for _, outcome in writes} <= {"applied", "superseded", "idle"}
    assert writes["route", "applied"] >= len(stage.weights)
    assert notes.counts[instruments.STALE] == {}


def committed(notes: Notes) -> Counter[str]:
    """How often which rule decided, as it was told."""
    ticks = notes.counts[instruments.TICKS].items()
    return Counter({rule: count for (outcome, rule), count in ticks if outcome == "committed"})


def test_work_that_came_too_late_is_told_as_stale() -> None:
    """A weight that lands after its rollout was called off is not believed, and one can see it."""
    notes = Notes()
    stage = initialized(a_manifest(), Stage(tell=notes))
    stage.release("cart:2")
    happened: list[bool] = []

    def called_off() -> None:
        if not happened:
            happened.append(True)
            stage.release("cart:1")
            stage.wait(rollouts.INTERVAL)

    plural = resources.VIRTUAL_SERVICES.plural
    stage.door.faults.add(Fault(called_off, verb="patch", resource=plural))
    stage.run(lambda _: bool(happened), within=LONG)
    assert notes.counts[instruments.STALE] == {("route",): 1}
