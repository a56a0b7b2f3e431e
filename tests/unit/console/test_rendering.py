"""What people see, letter by letter, in 80 columns and without bounds.

Left out: colours, which `rich` writes to terminals alone.
"""

import io
from datetime import timedelta
from typing import Any, Final

import pytest
from rich.console import Console
from rich.text import Text

from cli.console import facts, history, layout, overview, probes, story, timeline, tree
from cli.console.accounts import Absent
from cli.console.cluster import Event
from cli.console.facts import Facts
from cli.console.looking import Look
from cli.console.sides import Pod
from tests import fences
from tests.consoles import (
    ABSENT,
    NOW,
    PASSED,
    SLOW,
    a_canary,
    a_condition,
    a_side,
    a_status,
    ago,
    an_account,
    an_entry,
    facts_of,
    lines,
)

WIDTH: Final = 80
WAY: Final = "open the gate; a new value of the annotation coalmine.dev/nudge has it asked at once"
GATE: Final = a_condition(
    "Waiting",
    "True",
    "PromotionNotConfirmed",
    f"Halt podinfo.shop advancement waiting for promotion approval approve ({WAY})",
    ago(minutes=12),
)
FAILURE: Final = a_condition(
    "Promoted",
    "False",
    "Failed",
    "Canary analysis failed, Deployment scaled to zero. Halt podinfo.shop advancement request "
    "duration 1.971s > 500ms; Rolling back podinfo.shop failed checks threshold reached 5",
    ago(minutes=3),
)
HALTED: Final = Event(
    NOW - timedelta(seconds=12), is_warning=True, message=str(SLOW["message"]), count=3
)
NEXT: Final = (NOW + timedelta(seconds=8)).isoformat()
CHECKED: Final = an_entry(
    "Progressing",
    30,
    checks=[PASSED, SLOW],
    failedChecks=1,
    rule="failed_check",
    reason="CheckFailed",
    message=SLOW["message"],
)
STEPS: Final = (
    an_entry(
        "Progressing",
        0,
        100,
        rule="released",
        reason="NewRevision",
        message="New revision detected!",
    ),
    an_entry("Progressing", 10, 64),
    an_entry("Progressing", 20, 34, checks=[PASSED]),
    CHECKED,
)


def a_look(canary: Facts, account: Any = ABSENT, *pods: Pod, **fields: Any) -> Look:
    """What was read of a canary whose target holds 6.0.1."""
    target = a_side("canary", "1/2" if pods else "2/2", "6.0.1", *pods)
    usual = {"primary": a_side("primary"), "target": target, "events": (HALTED,)}
    return Look(canary=canary, account=account, **{**usual, **fields})


def test_the_table_has_a_line_per_canary() -> None:
    """With what somebody should know of each, unless names could not be told apart for it."""
    long = a_canary("a-very-long-name-of-a-canary", "a-namespace-with-a-long-name")
    canaries = [
        facts_of("Progressing", 30, 1),
        facts.of(
            a_canary(
                "checkout", "payments", status=a_status("WaitingPromotion", 50, conditions=[GATE])
            )
        ),
        facts.of({**long, "status": a_status("Failed", conditions=[FAILURE])}),
        facts.of(a_canary("search", "catalog")),
        facts.of(a_canary("idle", "catalog", status=a_status("Succeeded"), suspend=True)),
    ]
    assert lines(overview.table(canaries, NOW, 89, namespaces=True)) == [
        "NAMESPACE         NAME              STATUS            WEIGHT  FAILED  SINCE  NOTE",
        "shop              podinfo           Progressing       30%     1/5     2m13s",
        "payments          checkout          WaitingPromotion  50%     0/5     2m13s  Halt podinf…",
        "a-names…ong-name  a-very-…a-canary  Failed            0%      0/5     2m13s  Halt podinf…",
        "catalog           search            -                 0%      0/5     -",
        "catalog           idle              Succeeded         0%      0/5     2m13s  suspended",
    ]
    assert lines(overview.table(canaries[1:4], NOW, WIDTH, namespaces=True)) == [
        "NAMESPACE           NAME                 STATUS            WEIGHT  FAILED  SINCE",
        "payments            checkout             WaitingPromotion  50%     0/5     2m13s",
        "a-namesp…long-name  a-very-lo…-a-canary  Failed            0%      0/5     2m13s",
        "catalog             search               -                 0%      0/5     -",
    ]


def test_nothing_is_cut_where_there_is_no_terminal() -> None:
    """Scripts read whole names and notes, as wide as they are."""
    canary = facts.of(a_canary("n" * 60, "s" * 60, status=a_status("Failed", conditions=[FAILURE])))
    (_, row) = lines(overview.table([canary], NOW, None, namespaces=True, wide=True))
    assert row.split() == [
        *("s" * 60, "n" * 60, "Failed", "0%", "0/5", "2m13s"),
        *(f"deployment/{'n' * 60}", "by", "10", "to", "50", "30s", "2b7e4f61d2", "91c04d7be8"),
        *canary.note.split(),
    ]


def test_names_that_differ_at_their_ends_are_told_apart() -> None:
    """As those of one team do; a name may have 63 characters."""
    names = [f"{'n' * 58}-{number:04}" for number in (7, 107)]
    canaries = [facts.of(a_canary(name, status=a_status("Failed"))) for name in names]
    (_, *rows) = lines(overview.table(canaries, NOW, WIDTH, namespaces=True))
    assert [row.split()[1][-5:] for row in rows] == ["-0007", "-0107"]
    assert {len(row) <= WIDTH for row in rows} == {True}


def test_a_tree_of_long_names_loses_nothing() -> None:
    """Phase, pods and their states stand in the next line, if need be."""
    name = "n" * 63
    pod = Pod(f"{name}-7d9f-abcde", False, "ImagePullBackOff", 3, NOW - timedelta(minutes=2))
    target = a_side("canary", "1/2", "6.0.1", pod, workload=f"deployment/{name}")
    canary = facts.of(a_canary(name, "s" * 63, status=a_status("Progressing", 30)))
    drawn = lines(tree.lines(a_look(canary, target=target), NOW, WIDTH))
    assert max(map(len, drawn)) <= WIDTH
    told = "".join(line.lstrip(" │├└─") for line in drawn).replace(" ", "")
    for part in (
        f"deployment/{name}1/2ready",
        f"{pod.name}ImagePullBackOff",
        "Progressingfor2m13s",
    ):
        assert part in told


def test_a_wide_table_gives_up_columns_before_notes() -> None:
    """A terminal's lines do not wrap; what is odd is what is looked for."""
    failed = facts_of("Failed", conditions=[FAILURE])
    shown = ("NAMESPACE", "NAME", "STATUS", "WEIGHT", "FAILED", "SINCE", "TARGET", "NOTE")
    for width, left_out in ((WIDTH, {"TARGET"}), (WIDTH + 5, set())):
        heads, row = lines(overview.table([failed], NOW, width, namespaces=True, wide=True))
        assert heads.split() == [each for each in shown if each not in left_out]
        assert "request dur" in row
        assert len(row) <= width


def test_what_matters_most_comes_first_on_a_screen() -> None:
    """Failed, waiting, under way, at rest; and how many there are that it does not hold."""
    phases = ["Succeeded"] * 20 + ["Progressing"] * 5 + ["WaitingPromotion"] * 2 + ["Failed"] * 3
    canaries = [
        facts.of(
            a_canary(
                f"app-{index:02}",
                status=a_status(phase, conditions=[GATE] if phase.startswith("Waiting") else []),
            )
        )
        for index, phase in enumerate(phases)
    ]
    drawn = lines(overview.screen(canaries, NOW, (WIDTH, 24), namespaces=False))

    assert drawn[0] == (
        "30 canaries: 3 Failed, 5 Progressing, 20 Succeeded, 2 WaitingPromotion  12:00:0…"
    )
    assert [line.split()[0] for line in drawn[3:14]] == [
        *("app-27", "app-28", "app-29", "app-25", "app-26"),
        *("app-20", "app-21", "app-22", "app-23", "app-24", "app-00"),
    ]
    assert drawn[-1] == "… and 11 more"
    assert len(drawn) < 24


def test_a_rollout_under_way_is_a_tree() -> None:
    """Traffic, both sides with pods in trouble, checks with value against limit, what is next."""
    pods = (
        Pod("podinfo-7d9f-abcde", False, "ImagePullBackOff", 3, NOW - timedelta(minutes=2)),
        Pod("podinfo-7d9f-xyzab", True, "Running", 0, NOW - timedelta(minutes=2)),
    )
    look = a_look(facts_of("Progressing", 30, 1), an_account(*STEPS, nextLook=NEXT), *pods)
    assert lines(tree.lines(look, NOW, WIDTH)) == [
        "shop/podinfo  Progressing  for 2m13s",
        "├─ traffic      canary █████░░░░░░░░░░░  30%  primary 70%  by 10 to 50",
        "├─ pods",
        "│  ├─ primary  deployment/podinfo-primary  2/2 ready  podinfo:6.0.0",
        "│  └─ canary   deployment/podinfo  1/2 ready  podinfo:6.0.1",
        "│     ├─ ✗ podinfo-7d9f-abcde  ImagePullBackOff  3 restarts  2m",
        "│     └─ ✓ podinfo-7d9f-xyzab  Running  2m",
        "├─ checks       1 of 5 failed  measured 4s ago",
        "│  ├─ ✓ request-success-rate  99.84%  ≥ 99%",
        "│  └─ ✗ request-duration  1.971s  ≤ 500ms",
        "├─ next look    in 8s",
        "└─ last event   12s ago (3 times)",
        "   └─ Halt podinfo.shop advancement request duration 1.971s > 500ms",
    ]


def test_the_readme_shows_a_tree_as_it_is() -> None:
    """Its first block, below the command."""
    halted = "Halt podinfo.shop advancement success rate 87.73% < 99%"
    success = {**PASSED, "verdict": "failed", "effect": "counts", "value": 87.73}
    duration = {**PASSED, "metric": "request-duration", "value": 127.0, "unit": "ms"}
    checks = [success, {**duration, "minimum": None, "maximum": 500.0}]
    entry = an_entry("Progressing", 40, 0, checks=checks, failedChecks=1, reason="CheckFailed")
    status = facts_of("Progressing", 40, 1, lastTransitionTime=ago(seconds=9))
    account = an_account(entry, nextLook=(NOW + timedelta(seconds=2)).isoformat())
    look = a_look(
        status,
        account,
        primary=a_side("primary", tag="6.0.1"),
        target=a_side("canary", tag="6.0.3"),
        events=(Event(NOW - timedelta(seconds=1), is_warning=True, message=halted, count=1),),
    )
    command, *shown = fences.of("README.md")[0].text.splitlines()
    assert command == "$ coalmine status shop/podinfo"
    assert lines(tree.lines(look, NOW, WIDTH)) == shown


def test_a_rollout_that_failed_says_how_many_checks_did() -> None:
    """The status counts from 0 again once the rollout has failed."""
    steps = (
        an_entry("Progressing", 0, 40, reason="NewRevision"),
        an_entry("Progressing", 10, 30, reason="CheckFailed", failedChecks=4),
        an_entry("Failed", 0, 20, reason="FailedChecksThresholdReached"),
    )
    look = a_look(facts_of("Failed", 0, 0), an_account(*steps))
    assert [line for line in lines(tree.lines(look, NOW, WIDTH)) if "checks" in line] == [
        "├─ checks       5 of 5 failed"
    ]


def test_a_canary_that_waits_at_a_gate_says_so_with_the_way_out() -> None:
    """Also where there is no timeline: the condition knows it."""
    hooks = [{"type": kind, "name": kind[-4:], "url": "http://x"} for kind in facts.GATES]
    status = a_status("WaitingPromotion", 50, conditions=[GATE])
    canary = facts.of(a_canary(status=status, analysis={"webhooks": hooks}))
    look = a_look(canary, Absent("no timeline: no pod; give --server"), events=())
    assert lines(tree.lines(look, NOW, WIDTH)) == [
        "shop/podinfo  WaitingPromotion  for 2m13s",
        "├─ traffic      canary ████████░░░░░░░░  50%  primary 50%  by 10 to 50",
        "├─ pods",
        "│  ├─ primary  deployment/podinfo-primary  2/2 ready  podinfo:6.0.0",
        "│  └─ canary   deployment/podinfo  2/2 ready  podinfo:6.0.1",
        "├─ checks       0 of 5 failed",
        "│  ├─ - request-success-rate  ≥ 99%",
        "│  └─ - request-duration  ≤ 500ms",
        "├─ gates",
        "│  ├─ confirm-rollout  lout  not waited for",
        "│  ├─ confirm-traffic-increase  ease  not waited for",
        "│  └─ confirm-promotion  tion  waits, closed for 12m",
        "├─ waits for    PromotionNotConfirmed  for 12m",
        "│  └─ Halt podinfo.shop advancement waiting for promotion approval approve (open",
        "│     the gate; a new value of the annotation coalmine.dev/nudge has it asked at",
        "│     once)",
        "└─ no timeline: no pod; give --server",
    ]


def test_a_gate_shows_what_it_answered_last() -> None:
    """Open, closed, being asked, or not asked yet."""
    hooks = [{"type": kind, "name": "g", "url": "http://x"} for kind in facts.GATES]
    canary = facts.of(a_canary(status=a_status("Progressing", 10), analysis={"webhooks": hooks}))
    answer = {"name": "g", "type": "confirm-rollout", "ok": True, "message": ""}
    entry = an_entry("Progressing", 0, 90, hooks=[answer])
    look = a_look(canary, an_account(entry, asking="confirm-traffic-increase"))
    drawn = lines(tree.lines(look, NOW, WIDTH))
    gates = drawn.index("├─ gates")
    assert drawn[gates + 1 : gates + 4] == [
        "│  ├─ confirm-rollout  g  was open 90s ago",
        "│  ├─ confirm-traffic-increase  g  is being asked",
        "│  └─ confirm-promotion  g  not asked yet",
    ]


def test_a_canary_that_nobody_has_seen_has_a_tree_too() -> None:
    """Without a status, and with what is not there said of each side."""
    missing = [
        a_side(name, missing="not there", wanted=None, available=None, images=())
        for name in ("primary", "canary")
    ]
    canary = facts.of(a_canary())
    look = a_look(canary, an_account(), primary=missing[0], target=missing[1], events=())
    assert lines(tree.lines(look, NOW, WIDTH)) == [
        "shop/podinfo  no status yet",
        "├─ traffic      where it went before",
        "├─ pods",
        "│  ├─ primary  deployment/podinfo-primary  not there",
        "│  └─ canary   deployment/podinfo  not there",
        "└─ checks       0 of 5 failed",
        "   ├─ - request-success-rate  ≥ 99%",
        "   └─ - request-duration  ≤ 500ms",
    ]
    assert lines(story.lines(look, NOW, None)) == [
        "shop/podinfo is new. It has no phase yet. Traffic goes where it went before."
    ]


REMARK: Final = a_condition(
    "Accepted",
    "True",
    "NotCarriedOut",
    "spec.analysis.alerts[0].providerRef: Invalid value: 'chat': alertprovider chat.shop not "
    "found; allowed is the name of an existing AlertProvider in namespace shop",
    ago(minutes=1),
)
UNSENT: Final = Event(
    NOW - timedelta(minutes=3),
    is_warning=True,
    message="spec.analysis.alerts[1].providerRef: not sent: alertprovider sms.shop: 404",
)
UNHEARD: Final = Event(
    NOW - timedelta(minutes=2),
    is_warning=True,
    message="spec.analysis.alerts[0].providerRef: not sent: alertprovider chat.shop not found",
)
UNREACHABLE: Final = Event(
    NOW - timedelta(minutes=4),
    is_warning=True,
    message="Error checking metric providers: prometheus http://prom:9090 is not available: "
    "connecting failed",
)


def test_alerts_that_reach_nobody_are_shown() -> None:
    """What is wrong with a receiver holds nothing up, and nobody would look for it."""
    look = a_look(facts_of("Initialized", conditions=[REMARK]), events=(UNSENT, UNHEARD, HALTED))
    assert lines(tree.lines(look, NOW, WIDTH))[1:7] == [
        "├─ remarks",
        "│  └─ spec.analysis.alerts[0].providerRef: Invalid value: 'chat': alertprovider",
        "│     chat.shop not found; allowed is the name of an existing AlertProvider in",
        "│     namespace shop",
        "├─ alert not sent  3m ago",
        "│  └─ spec.analysis.alerts[1].providerRef: not sent: alertprovider sms.shop: 404",
    ]
    told = "\n".join(lines(story.lines(look, NOW, None)))
    assert f"A remark on its manifest: {REMARK['message']}\n" in told
    assert f"An alert was not sent 3m ago: {UNSENT.message}\n" in told
    wide, narrow = (
        lines(overview.table([look.canary], NOW, None, namespaces=False, wide=is_wide))[1]
        for is_wide in (True, False)
    )
    assert wide.endswith(REMARK["message"])
    assert "alertprovider" not in narrow


def test_a_manifest_that_is_not_accepted_is_told_whole() -> None:
    """Each problem, however long it is; a table has the first."""
    told = "spec.x: 1: is out of range (allowed: 2)\nspec.y: " + "wrong " * 12
    refused = a_condition("Accepted", "False", "InvalidSpec", told.strip(), ago(minutes=1))
    waits = a_condition("Waiting", "True", "NotAccepted", "podinfo.shop is not accepted: x", ago())
    look = a_look(facts_of("Succeeded", conditions=[refused, waits]), events=())
    assert lines(tree.lines(look, NOW, WIDTH))[1:5] == [
        "├─ not accepted  for 60s",
        "│  ├─ spec.x: 1: is out of range (allowed: 2)",
        "│  └─ spec.y: wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong",
        "│     wrong",
    ]
    assert not any("waits for" in line for line in lines(tree.lines(look, NOW, WIDTH)))
    said = lines(story.lines(look, NOW, None))
    assert said[1:4] == [
        "Its manifest is not accepted, nothing starts, steps up or is promoted until it is:",
        *told.strip().splitlines(),
    ]
    assert not any("It has waited" in line for line in said)
    assert look.canary.note == "not accepted: spec.x: 1: is out of range (allowed: 2)"


@pytest.mark.parametrize(
    ("phase", "events", "told"),
    [
        ("Initializing", (UNREACHABLE, HALTED), True),
        ("Initialized", (UNREACHABLE,), True),
        ("Initialized", (), False),
        ("Progressing", (UNREACHABLE,), False),  # a check has asked it since
    ],
)
def test_a_metrics_server_that_could_not_be_reached_is_named(
    phase: str, events: tuple[Event, ...], told: bool
) -> None:
    """Before the first rollout needs it."""
    canary = probes.known(facts_of(phase), events)
    look, why = a_look(canary, events=events), "prometheus http://prom:9090 is not available"
    row = lines(overview.table([canary], NOW, WIDTH, namespaces=False))[1]
    drawn = lines(tree.lines(look, NOW, WIDTH))
    assert ("prometheus http://prom:9090" in row) is told
    assert (f"│  └─ {why}: connecting failed" in drawn) is told
    sentence = f"When it was initialized: {why}: connecting failed. As long as that is so, its "
    assert (sentence in "".join(lines(story.lines(look, NOW, None)))) is told


def test_what_could_not_be_read_is_said_where_it_would_stand() -> None:
    """Pods under their side, events at the end."""
    target = a_side("canary", unlisted="GET /x: timed out")
    look = a_look(facts_of("Initialized"), target=target, events=(), unread="no answer within 10s")
    drawn = lines(tree.lines(look, NOW, WIDTH))
    assert drawn[4:6] == [
        "│  └─ canary   deployment/podinfo  2/2 ready  podinfo:6.0.0",
        "│     └─ no pods: GET /x: timed out",
    ]
    assert drawn[-2:] == [
        "├─ no events: no answer within 10s",
        "└─ no timeline: nobody was asked",
    ]
    assert "no events: no answer within 10s" in lines(story.lines(look, NOW, WIDTH))


def test_the_last_decision_is_told_in_sentences() -> None:
    """Rule, reason, message, each number against its limit, and what comes next."""
    look = a_look(facts_of("Progressing", 30, 1), an_account(*STEPS, nextLook=NEXT))
    assert lines(story.lines(look, NOW, WIDTH)) == [
        "shop/podinfo has been Progressing for 2m13s. A new revision is scaled up,",
        "measured and given traffic step by step. 30% of the traffic is at the canary.",
        "",
        "The last decision was made 4s ago by the rule failed_check: CheckFailed.",
        "  Halt podinfo.shop advancement request duration 1.971s > 500ms",
        "  ✓ request-success-rate was 99.84%; at least 99% is asked for: passed.",
        "  ✗ request-duration was 1.971s; at most 500ms is asked for: failed, it counts",
        "  as a failed check.",
        "  1 of 5 failed checks are spent; the last one rolls it back.",
        "",
        "It is looked at again in 8s.",
    ]


def test_of_a_failed_canary_what_ended_it_comes_first() -> None:
    """What was decided since, such as scaling down, is the last decision all the same."""
    end = an_entry(
        "Failed",
        0,
        30,
        rule="failed_check",
        reason="FailedChecksThresholdReached",
        message="Rolling back podinfo.shop failed checks threshold reached 5",
        checks=[SLOW],
    )
    after = an_entry("Failed", 0, 20, rule="ended", reason="RolloutEnded", message="")
    look = a_look(facts_of("Failed"), an_account(*STEPS, end, after))
    assert lines(story.lines(look, NOW, None))[1:] == [
        "",
        "It ended 30s ago by the rule failed_check: FailedChecksThresholdReached.",
        "  Rolling back podinfo.shop failed checks threshold reached 5",
        (
            "  ✗ request-duration was 1.971s; at most 500ms is asked for: failed, it counts as a "
            "failed check."
        ),
        "",
        "The last decision was made 20s ago by the rule ended: RolloutEnded.",
    ]


def test_what_was_decided_is_not_said_again_where_it_is_what_is_waited_for() -> None:
    """A gate's decision has words of its own, which stay."""
    waiting = f"Halt podinfo.shop advancement waiting for promotion approval approve ({WAY})"
    told = f"It has waited for 12m (PromotionNotConfirmed): {waiting}"
    for message in (waiting.partition(" (")[0], "closed: approve"):
        entry = an_entry("WaitingPromotion", 50, rule="awaited", reason="Waiting", message=message)
        look = a_look(facts_of("WaitingPromotion", conditions=[GATE]), an_account(entry))
        drawn = lines(story.lines(look, NOW, None))
        assert (f"  {message}" in drawn) is (message == "closed: approve")
        assert drawn.count(told) == 1


def test_without_a_timeline_status_and_events_tell_what_they_know() -> None:
    """And one line says what is missing, and how to get it."""
    look = a_look(facts_of("Failed", conditions=[FAILURE]), Absent("no timeline: give --server"))
    assert lines(story.lines(look, NOW, WIDTH)) == [
        "shop/podinfo has been Failed for 2m13s. Rolled back: the primary serves",
        "everything, the canary is or will be at zero. 0% of the traffic is at the",
        "canary.",
        "",
        "Its status says: Canary analysis failed, Deployment scaled to zero. Halt",
        "podinfo.shop advancement request duration 1.971s > 500ms; Rolling back",
        "podinfo.shop failed checks threshold reached 5",
        "",
        "The last events about it:",
        "     12s ago  Halt podinfo.shop advancement request duration 1.971s > 500ms (3",
        "     times)",
        "",
        "no timeline: give --server",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"value": None, "verdict": "no-data", "message": "no values found", "effect": "holds"},
         ("request-duration had no value (no-data): no values found; the rollout holds, at no "
         "cost.")),
        ({"value": "inf", "effect": "counts"},
         ("request-duration was inf; at most 500ms is asked for: failed, it counts as a failed "
         "check.")),
        ({"minimum": 1.0, "verdict": "passed", "value": 20.0},
         "request-duration was 20ms; at least 1ms and at most 500ms is asked for: passed."),
        ({"maximum": None, "unit": "", "value": 0.125, "verdict": "passed"},
         "request-duration was 0.12; no limit is asked for: passed."),
    ],
)  # fmt: skip
def test_each_check_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    """With its value, or why there is none, and what it does to the rollout."""
    entry = an_entry("Progressing", checks=[{**SLOW, **changes}])
    told = lines(story.lines(a_look(facts_of("Progressing"), an_account(entry)), NOW, None))
    assert told[4][4:] == sentence


def test_the_history_has_a_line_per_rollout() -> None:
    """Oldest first, so that the newest stands above the prompt."""
    end = an_entry("Failed", 0, 3, revision="2" * 20, message="Halt request duration", reason="X")
    before = an_entry("Succeeded", 0, 300, revision="1" * 20)
    account = an_account(before, *STEPS, end)
    assert lines(history.table(timeline.rollouts(account.entries), NOW, WIDTH)) == [
        "BEGAN            TOOK  REVISION    RESULT     TOP  FAILED  WHY",
        "before 11:55:00  -     1111111111  Succeeded  0%   0",
        "11:58:20         97s   2222222222  Failed     30%  1       Halt request duration",
    ]


def test_the_wide_history_has_a_line_per_decision() -> None:
    """With its rule and its reason."""
    rollouts = timeline.rollouts(an_account(*STEPS).entries)
    assert lines(history.table(rollouts, NOW, 88, wide=True))[3:] == [
        "11:59:26  Progressing  80/20  0       advance       Advanced     Advance podinfo.shop c…",
        "11:59:56  Progressing  70/30  1       failed_check  CheckFailed  Halt podinfo.shop adva…",
    ]


def test_wide_characters_take_two_cells() -> None:
    """Columns stay under their heads, and nothing is wider than the terminal."""
    rows = [["NAME", "NOTE"], ["店舗", "ok"], ["shop", "説明" * 30]]
    drawn = layout.table(rows, 30)
    assert lines(drawn)[:2] == ["NAME  NOTE", "店舗  ok"]
    assert drawn[2].cell_len <= 30
    assert [line.plain for line in layout.wrapped(Text("  " + "説明 " * 8), 20)] == [
        *["  説明 説明 説明"] * 2,
        "  説明 説明",
    ]


@pytest.mark.parametrize(
    ("terminal", "environ", "coloured", "styled"),
    [
        (True, {}, True, True),
        (True, {"NO_COLOR": "1"}, False, True),
        (False, {}, False, False),
    ],
)
def test_colours_are_for_terminals_and_nobody_who_wants_none(
    terminal: bool, environ: dict[str, str], coloured: bool, styled: bool
) -> None:
    """NO_COLOR leaves bold and dim, which are no colours."""
    file = io.StringIO()
    kind = {"force_terminal": True, "color_system": "standard"} if terminal else {}
    console = Console(file=file, width=80, _environ={"TERM": "xterm", **environ}, **kind)  # type: ignore[arg-type]
    console.print(tree.lines(a_look(facts_of("Failed")), NOW, WIDTH)[0], soft_wrap=True)
    written = file.getvalue()
    assert (("31m" in written) or ("31;" in written) or (";31" in written)) == coloured
    assert ("\x1b[" in written) == styled
