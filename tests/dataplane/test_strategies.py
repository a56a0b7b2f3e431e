"""Every strategy but plain weights under load: who meets the canary, and for how long.

Not tested: what is decided and written (unit, scenarios); weights (test_weights).
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from tests.dataplane import approval, load
from tests.dataplane import traffic as rollouts
from tests.dataplane.load import Sample
from tests.dataplane.traffic import Rollout, Traffic
from tests.services import istio

INSIDERS: Final = {user: {"x-insider": "yes"} for user in range(5)}
AB_TESTING: Final = {
    "iterations": 2,
    "match": [{"headers": {"x-insider": {"exact": "yes"}}}],
}
STICKY: Final = {"stepWeights": [30], "sessionAffinity": {"cookieName": "side"}}
STICKY_ON_BOTH: Final = {
    "interval": "3s",
    "stepWeights": [30, 60],
    "sessionAffinity": {"cookieName": "side", "primaryCookieName": "other-side"},
}
MIRRORED: Final = {"iterations": 2, "mirror": True, "mirrorWeight": 50}
MIRRORED_FIRST: Final = {"stepWeights": [50], "mirror": True}
BLUE_GREEN: Final = {"iterations": 2}


def test_in_ab_testing_the_chosen_users_meet_the_canary_and_the_others_never(
    traffic: Traffic,
) -> None:
    """By a header, from the first iteration to the promotion; then all meet the new revision."""
    with traffic.application("ab", AB_TESTING, headers=INSIDERS) as rollout:
        rollout.release(rollouts.GOOD)
        rollout.assert_nothing_failed()
        _, chosen, _ = rollout.stages()
        for sample in rollout.during(chosen):
            assert (sample.workload == "ab") == (sample.user in INSIDERS), sample
        assert _revisions(rollout.load.samples[-100:]) == {"2"}
        assert approval.complaints(rollout.app) == []


def test_in_ab_testing_a_bad_release_reaches_none_but_the_chosen_and_ends_with_the_check(
    traffic: Traffic,
) -> None:
    """Errors for those with the header, until two seconds after the check at the latest."""
    with traffic.application("bad-ab", AB_TESTING, headers=INSIDERS) as rollout:
        rollout.release(rollouts.BAD)
        rollout.assert_nothing_failed()
        rollout.assert_bad_answers_end()
        assert _users(rollout.load.samples, "bad") == set(INSIDERS)


def test_with_session_affinity_each_user_stays_on_one_side(traffic: Traffic) -> None:
    """With a cookie for each side nobody changes within an interval; those of the canary never do.

    The cookie of the primary lasts for one interval, as Flagger's does, and steps may take longer.
    After the rollout nobody has the canary's cookie any more.
    """
    with traffic.application("sticky", STICKY_ON_BOTH) as rollout:
        rollout.release(rollouts.GOOD)
        rollout.assert_nothing_failed()
        _, first, second, _ = rollout.stages()
        for stage in (first, second):
            asked = rollout.load.since(stage.begin + rollouts.PUSH_SECONDS, stage.begin + 3)
            assert {len(sides) for sides in _sides(asked).values()} == {1}
        assert _users_of(rollout, first) <= _users_of(rollout, second)
        assert not any("side" in each.cookies for each in rollout.load.samples[-100:])
        assert approval.complaints(rollout.app) == []


def test_with_session_affinity_a_bad_release_lets_its_users_go(traffic: Traffic) -> None:
    """Whoever has its cookie meets it as long as it has a weight; the rollback takes it back."""
    with traffic.application("bad-sticky", STICKY) as rollout:
        rollout.release(rollouts.BAD)
        rollout.assert_nothing_failed()
        rollout.assert_bad_answers_end()
        _, shared, _ = rollout.stages()
        asked = rollout.load.since(shared.begin + rollouts.PUSH_SECONDS, rollout.decided("Failed"))
        held = [each for each in asked if "side" in each.cookies]
        assert _revisions(held) == {"bad"}
        assert not any("side" in each.cookies for each in rollout.load.samples[-100:])
        assert approval.complaints(rollout.app) == []


def test_mirrored_requests_arrive_once_and_are_answered_by_the_primary(traffic: Traffic) -> None:
    """As many copies as `mirrorWeight` says; then all users at once, promoted, none lost."""
    with traffic.application("mirror", MIRRORED) as rollout:
        rollout.release(rollouts.GOOD)
        rollout.assert_nothing_failed()
        begin, end = _copied_during(rollout)
        asked = rollout.load.since(begin + rollouts.PUSH_SECONDS, end)
        copies = _copies(rollout)
        rollouts.assert_share(sum(each.number in copies for each in asked), len(asked), 0.5)
        assert {each.workload for each in asked} == {"mirror-primary"}
        _assert_answered_once(rollout)
        assert approval.complaints(rollout.app) == []


def test_a_bad_release_that_is_mirrored_to_meets_no_user(traffic: Traffic) -> None:
    """Its errors answer copies, so nobody gets one; the check that fails ends the copies."""
    with traffic.application("bad-mirror", MIRRORED) as rollout:
        rollout.release(rollouts.BAD)
        rollout.assert_nothing_failed()
        assert {each.status for each in rollout.load.since(rollout.began)} == {200}
        _, end = _copied_during(rollout)
        assert end - rollout.decided("Failed") < 2
        _assert_answered_once(rollout)


def test_a_mirror_step_comes_before_the_weights(traffic: Traffic) -> None:
    """Copies while the weight is 0, and from the first weight on none."""
    with traffic.application("mirror-step", MIRRORED_FIRST) as rollout:
        rollout.release(rollouts.GOOD)
        rollout.assert_nothing_failed()
        rollout.assert_weights_are_shares([0, 50, 0])
        _, end = _copied_during(rollout)
        assert end < rollout.stages()[1].begin + rollouts.PUSH_SECONDS
        _assert_answered_once(rollout)
        assert approval.complaints(rollout.app) == []


def test_blue_green_moves_all_users_at_once_after_its_iterations(traffic: Traffic) -> None:
    """Test traffic alone while it is checked; then everybody, and back to the promoted primary."""
    with (
        traffic.application("blue", BLUE_GREEN) as rollout,
        _test_traffic(traffic, "blue") as tested,
    ):
        rollout.release(rollouts.GOOD)
        rollout.assert_nothing_failed()
        before, all_of_them, _ = rollout.stages()
        assert "blue" in {each.workload for each in tested.since(before.begin, before.end)}
        assert "blue" not in {each.workload for each in rollout.during(before)}
        assert {each.workload for each in rollout.during(all_of_them)} == {"blue"}
        assert approval.complaints(rollout.app) == []


def test_blue_green_never_shows_a_bad_release_to_users(traffic: Traffic) -> None:
    """Test traffic fails, and users meet nothing but the primary."""
    with (
        traffic.application("bad-blue", BLUE_GREEN) as rollout,
        _test_traffic(traffic, "bad-blue") as tested,
    ):
        rollout.release(rollouts.BAD)
        rollout.assert_nothing_failed()
        assert "bad" in _revisions(tested.samples)
        assert {each.workload for each in rollout.load.since(rollout.began)} == {"bad-blue-primary"}


def _test_traffic(traffic: Traffic, name: str) -> contextlib.AbstractContextManager[load.Load]:
    """Requests to the canary alone, through a route that is not Coalmine's."""
    host = f"canary.{name}.example.com"
    route = {"destination": {"host": f"{name}-canary"}}
    traffic.site.plane.apply(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": f"{name}-test"},
            "spec": {
                "hosts": [host],
                "gateways": [f"{istio.HOME}/{istio.GATEWAY}"],
                "http": [{"route": [route]}],
            },
        },
        traffic.site.namespace,
    )
    return load.sent(traffic.background, traffic.mesh.url, host, users=4, rate=40)


def _revisions(samples: Iterable[Sample]) -> set[str]:
    return {each.revision for each in samples}


def _users(samples: Iterable[Sample], revision: str) -> set[int]:
    return {each.user for each in samples if each.revision == revision}


def _sides(samples: Iterable[Sample]) -> dict[int, set[str]]:
    """Which Deployments each user met."""
    sides = defaultdict(set)
    for each in samples:
        sides[each.user].add(each.workload)
    return sides


def _users_of(rollout: Rollout, stage: rollouts.Stage) -> set[int]:
    """The users who met the canary in a stage."""
    met = rollout.during(stage)
    return {each.user for each in met if each.workload == rollout.app.name}


def _copies(rollout: Rollout) -> set[str]:
    """The numbers of the requests that were copied."""
    return {each.request for each in rollout.arrivals(rollout.app.name) if each.copied}


def _copied_during(rollout: Rollout) -> tuple[float, float]:
    """When the first and the last copy arrived, in seconds since the epoch."""
    times = [each.at for each in rollout.arrivals(rollout.app.name) if each.copied]
    return min(times), max(times)


def _assert_answered_once(rollout: Rollout) -> None:
    """No request met two pods but by one copy, and each copy is of a request of a user."""
    sides = (rollout.app.name, f"{rollout.app.name}-primary")
    arrived = [one for side in sides for one in rollout.arrivals(side)]
    times = Counter((one.request, one.copied) for one in arrived)
    assert set(times.values()) == {1}
    asked = {one.request for one in arrived if not one.copied}
    assert {one.request for one in arrived if one.copied} <= asked
