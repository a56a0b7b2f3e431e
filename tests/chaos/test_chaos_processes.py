"""Processes die, Redis is emptied or silent, in the midst of a rollout; it goes on as planned.

Weights outside of the plan (0, 40, 80) are never seen, whatever dies.
"""

import itertools

from tests.services.processes import Process
from tests.system import manifests, meters
from tests.system.site import App, Site, canary_weight

SECOND = "registry.example/app:2"
INTERVAL_SECONDS = 2
STARTING_SECONDS = 30
"""What a worker needs to start, on a machine that is busy with others."""

SLACK_SECONDS = 6
"""Of a machine that is busy with others; the metrics of each check take half a second of it."""


def test_a_worker_killed_after_each_step_is_not_missed_at_the_next(site: Site) -> None:
    """Design target 4: one worker of each role dies by SIGKILL; no step is late by an interval.

    The second analysis worker is there; of the others there is one each, started again at once,
    as its Deployment would.
    """
    app = site.app("decimated")
    analysis = {"interval": f"{INTERVAL_SECONDS}s", "stepWeight": 20}
    app.deploy(manifests.a_canary("decimated", analysis=analysis))
    app.release(SECOND)
    for role, weight in (("analysis", 20), ("routing", 40), ("report", 60), ("hooks", 80)):
        app.until_weight(weight, 2 * INTERVAL_SECONDS + STARTING_SECONDS)
        site.processes.members[f"{role}-1"].kill()
        if role != "analysis":
            site.processes.members[f"{role}-1"].start()
    app.until("Succeeded")
    assert app.weights() == [0, 20, 40, 60, 80, 0]
    site.processes.members["analysis-1"].start()


def test_a_tick_that_dies_in_the_middle_is_made_again(site: Site) -> None:
    """D-36, D-39: both analysis workers die while the metrics are being read.

    Nothing was decided; the tick is made again once its lease is over (2 s), and the step is
    taken once. A worker takes some seconds to start on a busy machine.
    """
    app = _at_40(site, "cut-short", hooks=False)
    site.meters.set("cut-short", meters.Health(delay_seconds=0.9))
    asked = site.meters.asked("cut-short")
    site.until(lambda: site.meters.asked("cut-short") > asked, "the metrics are being read")
    workers = [site.processes.members[name] for name in ("analysis-1", "analysis-2")]
    for worker in workers:
        worker.kill()
    site.meters.set("cut-short", meters.HEALTHY)
    for worker in workers:
        worker.start()
    app.until_weight(80, 2 + INTERVAL_SECONDS + STARTING_SECONDS)
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]


def test_hooks_in_flight_with_a_killed_worker_are_called_again(site: Site) -> None:
    """D-36: at least once: the worker dies while it waits for the answer, and another asks again.

    Their time limit (1 s here), some slack for the queue, and the rollout goes on.
    """
    app = _at_40(site, "unanswered")
    calls = len(site.receiver.got("/unanswered"))
    site.receiver.meanwhile("/unanswered", site.processes.members["hooks-1"].kill)
    site.until(lambda: len(site.receiver.got("/unanswered")) > calls, "the hook is called")
    site.until(lambda: site.processes.members["hooks-1"].ended, "the worker is dead")
    site.receiver.meanwhile("/unanswered", lambda: None)
    site.processes.members["hooks-1"].start()
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]


def test_the_standby_takes_over_from_a_killed_beat_within_ten_seconds(site: Site) -> None:
    """Design target 1: the leader is killed in mid-rollout; the other goes on with the agenda."""
    app = _at_40(site, "headless")
    leader = _leader(site)
    leader.kill()
    app.until_weight(80, INTERVAL_SECONDS + 10 + SLACK_SECONDS)
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]
    leader.start()


def test_a_rollout_survives_an_emptied_redis(site: Site) -> None:
    """D-4, D-7: FLUSHALL at 40 %: rebuilt from status, route and workloads, then promoted."""
    app = _at_40(site, "flushed")
    site.processes.valkey.flush()
    app.until("Succeeded")
    assert set(app.weights()) <= {0, 40, 80}
    assert app.weights()[-1] == 0
    assert app.image(primary=True) == SECOND


def test_a_rollback_survives_an_emptied_redis(site: Site) -> None:
    """A bad revision stays bad: no promotion comes of a state that was lost."""
    app = _at_40(site, "flushed-bad")
    site.meters.set("flushed-bad", meters.FAILING)
    site.processes.valkey.flush()
    app.until("Failed")
    assert set(app.weights()) <= {0, 40, 80}
    assert app.weight() == 0
    assert app.image(primary=True) == "registry.example/app:1"


def test_an_idle_canary_notices_nothing_of_an_emptied_redis(site: Site) -> None:
    """D-7, D-34: nothing is rolled out for it, and the next release is analysed as ever."""
    app = site.app("resting").deploy()
    site.processes.valkey.flush()
    site.until(lambda: bool(app.timeline()), "the state is rebuilt")
    assert app.weights() == [0]
    app.release(SECOND)
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]


def test_a_silent_redis_is_waited_for(site: Site) -> None:
    """Frozen for five seconds: nobody can decide anything; afterwards everybody goes on."""
    app = _at_40(site, "silent")
    with site.processes.valkey.process.paused():
        site.pause(5)
    app.until("Succeeded")
    assert set(app.weights()) <= {0, 40, 80}
    assert app.image(primary=True) == SECOND


def test_a_redis_that_comes_back_empty_is_found_again(site: Site) -> None:
    """Killed and started again without its data: all processes find it and the rollout ends."""
    app = _at_40(site, "restarted")
    with site.processes.valkey.process.down():
        site.pause(1)
    app.until("Succeeded")
    assert set(app.weights()) <= {0, 40, 80}
    assert app.image(primary=True) == SECOND


def test_a_frozen_worker_makes_no_step_late_by_more_than_an_interval(site: Site) -> None:
    """S-4: stopped with what it holds and has reserved, while it looks at several canaries.

    It comes back in the end, with all it had, and changes nothing.
    """
    apps = [site.app(f"beside-{number}") for number in range(3)]
    analysis = {"interval": f"{INTERVAL_SECONDS}s", "stepWeight": 20, "maxWeight": 80}
    for app in apps:
        app.deploy(manifests.a_canary(app.name, analysis=analysis))
    for app in apps:
        app.release(SECOND)
    for app in apps:
        app.until_weight(20)
        site.meters.set(app.name, meters.Health(delay_seconds=0.5))
    with site.processes.members["analysis-1"].paused():
        for app in apps:
            app.until("Succeeded")
    for app in apps:
        assert app.weights() == [0, 20, 40, 60, 80, 0]
        late = max(b - a for a, b in itertools.pairwise(_step_times(app))) - INTERVAL_SECONDS
        assert late <= INTERVAL_SECONDS + SLACK_SECONDS
    site.pause(1)
    assert all(app.weight() == 0 for app in apps)


def _step_times(app: App) -> list[float]:
    """When each canary weight but the first and the last was first seen."""
    first: dict[int, float] = {}
    for one in app.seen("virtualservices"):
        first.setdefault(canary_weight(one.object), one.at)
    return [first[weight] for weight in (20, 40, 60, 80)]


def _at_40(site: Site, name: str, *, hooks: bool = True) -> App:
    """An application in mid-rollout, whose first step was just taken; one rollout hook or none."""
    hook = {"name": "load", "url": site.receiver.url(f"/{name}"), "timeout": "1s"}
    analysis = {"interval": f"{INTERVAL_SECONDS}s", "webhooks": [hook] if hooks else []}
    app = site.app(name).deploy(manifests.a_canary(name, analysis=analysis))
    app.release(SECOND)
    app.until_event("canary weight 40")
    app.until_weight(40)
    return app


def _leader(site: Site) -> Process:
    """The beat that leads, once one does: it was the last to say so."""
    beats = [site.processes.members[name] for name in ("beat-1", "beat-2")]
    said = {
        line: beat
        for beat in beats
        for line in beat.log.read_text("utf-8").splitlines()
        if '"msg": "leading"' in line
    }
    assert said, site.processes.log()
    return said[max(said, key=lambda line: line.partition('"ts": ')[2])]
