"""The commands over a cluster in memory: what they write, and their exit codes."""

import json
import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, Final

import pytest
import yaml

from cli import exits, main
from cli.console import commands, listing, waiting
from cli.console.accounts import Absent, Answer
from cli.console.goals import Asked, Goal
from cli.console.session import Session
from clients import errors
from clients.clock import ManualClock
from clients.kube import resources
from tests import fences
from tests.consoles import (
    METRICS,
    NOW,
    REF,
    a_canary,
    a_condition,
    a_session,
    a_status,
    ago,
    an_account,
    an_entry,
    written,
)
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube

COMMANDS: Final = {
    "get": listing.get,
    "status": commands.status,
    "why": commands.why,
    "history": commands.show_history,
    "wait": commands.wait,
}
SECRET = "https://hooks.example.com/services/T0/B0/very-secret"


def given(*words: str) -> Namespace:
    """Parsed arguments."""
    return main.parser().parse_args(words)


def apply(kube: FakeKube, canary: Mapping[str, Any]) -> None:
    """Creates a canary with its status."""
    where = canary["metadata"]["namespace"], canary["metadata"]["name"]
    kube.create(resources.CANARIES, where[0], canary)
    if status := canary.get("status"):
        kube.patch(resources.CANARIES, *where, {"status": status}, subresource="status")


@pytest.fixture
def kube() -> FakeKube:
    """Three canaries in two namespaces."""
    kube = FakeKube(ManualClock(NOW))
    apply(kube, a_canary(status=a_status("Progressing", 30, 1)))
    apply(kube, a_canary("cart", status=a_status("Succeeded")))
    apply(kube, a_canary("checkout", "prod", status=a_status("Failed")))
    return kube


def ran(kube: FakeKube, *words: str, answer: Answer | None = None) -> tuple[int, str]:
    """Exit code and text of a command."""
    session = a_session(kube, answer or an_account(an_entry("Progressing", 30)))
    arguments = given(*words)
    return COMMANDS[words[0]](session, arguments), written(session)


def test_the_canaries_of_the_context_are_listed_by_name(kube: FakeKube) -> None:
    """Those of its namespace; the heads say which columns there are."""
    code, text = ran(kube, "get")
    assert code == exits.OK
    assert text.splitlines() == [
        "NAME     STATUS       WEIGHT  FAILED  SINCE  NOTE",
        "cart     Succeeded    0%      0/5     2m13s",
        "podinfo  Progressing  30%     1/5     2m13s",
    ]


def test_a_metrics_server_that_is_away_is_named_before_it_is_needed(kube: FakeKube) -> None:
    """By the event of the canary that was initialized without it, and of no other one's."""
    apply(kube, a_canary("new", status=a_status("Initialized")))
    event = {
        "metadata": {"name": "new.1", "namespace": "shop"},
        "involvedObject": {"kind": "Canary", "name": "new", "namespace": "shop"},
        "type": "Warning",
        "message": "Error checking metric providers: prometheus http://p is not available: no",
        "lastTimestamp": ago(minutes=1),
    }
    kube.create(resources.EVENTS, "shop", event)
    _, text = ran(kube, "get")
    assert [line.split()[5:] for line in text.splitlines()[1:]] == [
        [],
        ["prometheus", "http://p", "is", "not", "available:", "no"],
        [],
    ]


def test_all_namespaces_are_listed_with_their_names(kube: FakeKube) -> None:
    """Ordered by namespace and name."""
    _, text = ran(kube, "get", "-A")
    assert [line.split()[:2] for line in text.splitlines()] == [
        ["NAMESPACE", "NAME"],
        ["prod", "checkout"],
        ["shop", "cart"],
        ["shop", "podinfo"],
    ]


def test_names_are_as_kubectl_prints_them(kube: FakeKube) -> None:
    """And are taken again as arguments."""
    _, text = ran(kube, "get", "-o", "name")
    assert text.split() == ["canary.flagger.app/cart", "canary.flagger.app/podinfo"]
    _, again = ran(kube, "get", *text.split(), "-o", "name")
    assert again.split() == text.split()


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_documents_are_the_objects_as_kubectl_has_them(
    kube: FakeKube, form: str, read: Any
) -> None:
    """A list, or the one that was named; without who manages which field."""
    _, text = ran(kube, "get", "-A", "-o", form)
    found = read(text)
    assert (found["kind"], len(found["items"])) == ("List", 3)

    _, text = ran(kube, "get", "podinfo", "-o", form)
    canary = read(text)
    assert (canary["kind"], canary["status"]["canaryWeight"]) == ("Canary", 30)
    assert "managedFields" not in canary["metadata"]


def test_canaries_of_several_namespaces_can_be_named(kube: FakeKube) -> None:
    """In one table."""
    _, text = ran(kube, "get", "prod/checkout", "podinfo")
    assert [line.split()[1] for line in text.splitlines()[1:]] == ["checkout", "podinfo"]


def test_a_namespace_without_canaries_is_no_failure(
    kube: FakeKube, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for kubectl: nothing on stdout, a line on stderr."""
    assert ran(kube, "get", "-n", "test") == (exits.OK, "")
    assert capsys.readouterr().err == "No canaries in namespace test (-A: in all).\n"


def test_a_canary_that_is_missing_is_named(kube: FakeKube) -> None:
    """Not an empty table."""
    with pytest.raises(exits.Unusable, match=r"there is no canary shop/other; `coalmine get -A`"):
        ran(kube, "get", "other")


def test_status_is_a_document_for_programs(kube: FakeKube) -> None:
    """The same facts as in the tree; times as ISO 8601."""
    _, text = ran(kube, "status", "podinfo", "-o", "json")
    told = json.loads(text)
    assert told["canary"] == "shop/podinfo"
    assert (told["phase"], told["canaryWeight"], told["timeline"]) == ("Progressing", 30, None)
    assert [side["missing"] for side in told["sides"]] == ["not there", "not there"]
    assert told["since"] == "2026-03-01T11:57:47+00:00"


def test_no_address_of_a_webhook_is_in_what_is_shown(kube: FakeKube) -> None:
    """It may be a password; `get -o yaml` is the object itself, for whoever may read that."""
    hook = {"name": "approve", "type": "confirm-promotion", "url": SECRET}
    apply(kube, a_canary("hooked", status=a_status("Waiting"), analysis={"webhooks": [hook]}))
    for words in (["status"], ["status", "-o", "json"], ["why"], ["why", "-o", "yaml"]):
        _, text = ran(kube, words[0], "hooked", *words[1:])
        assert "hooked" in text
        assert "very-secret" not in text
    assert "very-secret" not in ran(kube, "get", "-o", "wide")[1]


def test_why_gives_the_decision_as_it_is_kept(kube: FakeKube) -> None:
    """For programs, with every field."""
    entry = an_entry("Progressing", 30, unknownField=7)
    _, text = ran(kube, "why", "podinfo", "-o", "yaml", answer=an_account(entry))
    assert yaml.safe_load(text)["decision"] == entry


def test_history_gives_the_rollouts_with_their_decisions(kube: FakeKube) -> None:
    """As they are kept, by rollout."""
    entries = [an_entry("Progressing", 10, reason="NewRevision"), an_entry("Succeeded", 0)]
    code, text = ran(kube, "history", "podinfo", "-o", "json", answer=an_account(*entries))
    (rollout,) = json.loads(text)["rollouts"]
    assert code == exits.OK
    assert (rollout["result"], rollout["weights"]) == ("Succeeded", [10, 0])
    assert rollout["decisions"] == entries


def test_history_without_a_timeline_is_a_failure_that_shows_what_there_is(
    kube: FakeKube, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, so that no script takes it for an empty history."""
    code, text = ran(kube, "history", "podinfo", answer=Absent("no timeline: give --server"))
    assert code == exits.FAILED
    assert capsys.readouterr().err == "coalmine: no timeline: give --server\n"
    assert text.startswith("shop/podinfo has been Progressing for 2m13s.")


class Passing(ManualClock):
    """A clock by which things happen to a cluster while somebody sleeps."""

    def __init__(self, *happening: Any) -> None:
        super().__init__(NOW)
        self.happening = list(happening)

    def sleep(self, seconds: float) -> None:
        """Lets the next thing happen."""
        super().sleep(seconds)
        if self.happening:
            self.happening.pop(0)()


def waited(
    kube: FakeKube, clock: Passing, goal: Goal = Goal.PROMOTED, timeout: float = 60, **asked: Any
) -> tuple[int, str]:
    """Exit code and text of a wait for the canary."""
    session: Session = a_session(kube, clock=clock)
    wanted = Asked(goal=goal, **asked)
    return waiting.wait(session, REF, wanted, timedelta(seconds=timeout)), written(session)


def becomes(kube: FakeKube, phase: str, weight: int = 0, **fields: Any) -> Any:
    """Has the status say that."""
    status = {"status": a_status(phase, weight, **fields)}
    return lambda: kube.patch(resources.CANARIES, *REF, status, subresource="status")


def test_a_release_that_is_promoted_ends_the_wait_well(kube: FakeKube) -> None:
    """What happens meanwhile is told, once each."""
    steps = (becomes(kube, "Progressing", 50), lambda: None, becomes(kube, "Succeeded"))
    code, text = waited(kube, Passing(*steps))
    assert code == exits.OK
    assert text.splitlines() == [
        "12:00:00  shop/podinfo  Progressing, 30% at the canary",
        "12:00:01  shop/podinfo  Progressing, 50% at the canary",
        "12:00:03  shop/podinfo  Succeeded, 0% at the canary",
        "shop/podinfo is promoted",
    ]


def test_in_a_terminal_a_wait_breaks_its_lines_between_words(kube: FakeKube) -> None:
    """Elsewhere they are whole, for programs."""
    message = "waiting for approval of " * 4 + "somebody"
    waits = a_condition("Waiting", "True", "PromotionNotConfirmed", message, ago())
    becomes(kube, "WaitingPromotion", 50, conditions=[waits])()
    told = []
    for width in (None, 80):
        session = a_session(kube, terminal=width)
        waiting.wait(session, REF, Asked(goal=Goal.PROMOTED), timedelta())
        told.append(written(session).splitlines())
    [whole], broken = told
    assert whole.endswith(f"WaitingPromotion, 50% at the canary ({message})")
    assert " ".join(broken) == whole
    assert max(map(len, broken)) <= 80


def test_a_release_that_fails_ends_the_wait_with_what_decided_it(
    kube: FakeKube, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, long before time is up."""
    promoted = a_condition("Promoted", "False", "Failed", "It failed. Too slow.", ago())
    steps = (becomes(kube, "Failed", conditions=[promoted]),)
    clock = Passing(*steps)
    code, _ = waited(kube, clock, timeout=600)
    assert code == exits.FAILED
    assert capsys.readouterr().err == (
        "coalmine: shop/podinfo is not promoted: Failed: It failed. Too slow.; "
        "`coalmine why shop/podinfo` says more\n"
    )
    assert clock.now() < NOW + timedelta(seconds=30)


def test_a_wait_that_takes_too_long_ends_as_timeout_does(
    kube: FakeKube, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 124, at its time."""
    clock = Passing()
    code, _ = waited(kube, clock, timeout=2.5)
    assert (code, clock.now() - NOW) == (124, timedelta(seconds=2.5))
    assert capsys.readouterr().err == (
        "coalmine: shop/podinfo is still Progressing, 30% at the canary after 2s; "
        "`coalmine why shop/podinfo` says more\n"
    )


def test_a_wait_for_a_release_that_never_comes_names_it(
    kube: FakeKube, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is asked for may be a slip of the pen: the status alone would not show that."""
    assert waited(kube, Passing(), timeout=2.5, revision="9.9.9")[0] == exits.TIMED_OUT
    assert "after 2s, waiting for 9.9.9; `coalmine why" in capsys.readouterr().err


def test_a_timeout_of_zero_looks_once(kube: FakeKube) -> None:
    """To ask whether it is so."""
    assert waited(kube, Passing(), Goal.INITIALIZED, timeout=0)[0] == exits.OK
    assert waited(kube, Passing(), Goal.FAILED, timeout=0)[0] == exits.TIMED_OUT


def test_a_cluster_that_is_away_for_a_while_does_not_end_a_wait(
    kube: FakeKube, capsys: pytest.CaptureFixture[str]
) -> None:
    """CI should not fail because an API server was upgraded."""
    away = errors.Transient("GET /x: connecting failed")
    fails = lambda: kube.faults.add(Fault(away, "get", "canaries"))  # noqa: E731
    code, _ = waited(kube, Passing(fails, becomes(kube, "Succeeded")))
    assert code == exits.OK
    assert "cannot reach the cluster of context test" in capsys.readouterr().err


def test_a_canary_that_cannot_be_read_at_first_is_told_at_once(kube: FakeKube) -> None:
    """A wrong context, or name, should not cost ten minutes."""
    away = errors.Transient("GET /x: connecting failed")
    kube.faults.add(Fault(away, "get", "canaries"))
    with pytest.raises(exits.Unusable, match="cannot reach"):
        waited(kube, Passing())
    kube.delete(resources.CANARIES, *REF)
    with pytest.raises(exits.Unusable, match="there is no canary shop/podinfo"):
        waited(kube, Passing())


def test_metrics_of_the_builders_are_those_that_canaries_have() -> None:
    """The API server takes them: the fixtures above would fail otherwise."""
    assert [metric["name"] for metric in METRICS] == ["request-success-rate", "request-duration"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["wait", "podinfo", "--for", "happiness"],
            "unknown: 'happiness' (choose from initialized",
        ),
        (["wait", "podinfo", "--timeout", "10"], "'10' has no unit: allowed: a number with"),
        (["wait", "podinfo", "--timeout", "1h30"], "'1h30' has no unit: allowed: a number with"),
        (["wait", "podinfo", "--timeout", "soon"], "'soon' is no time span: allowed: a number"),
        (["wait", "podinfo", "--timeout=-1s"], "'-1s': allowed: a duration from 0"),
        (["get", "-o", "xml"], "invalid choice: 'xml'"),
        (["status"], "the following arguments are required: NAME"),
        (["completion", "csh"], "invalid choice: 'csh'"),
        (["get", "--bogus"], "unrecognized arguments: --bogus"),
    ],
)
def test_bad_use_is_one_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which says where help is."""
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    told = capsys.readouterr().err
    assert ended.value.code == exits.UNUSABLE
    assert told.startswith(f"coalmine: {message}" if "unrec" in message else "coalmine: ")
    assert message in told
    assert told.count("\n") == 1


class Ended(Exception):
    """Ends a loop of a test."""


def test_a_live_tree_outlives_a_server_that_is_away_for_a_while(kube: FakeKube) -> None:
    """It says so, and goes on; what cannot be read at first ends it."""

    def fails() -> None:
        away = errors.Transient("GET /x: connecting failed")
        kube.faults.add(Fault(away, "get", "canaries"))

    def ends() -> None:
        raise Ended

    clock = Passing(fails, becomes(kube, "Promoting", 50), ends)
    session = a_session(kube, an_account(), clock=clock, terminal=80)
    with pytest.raises(Ended):
        commands.status(session, given("status", "podinfo", "-w"))
    drawn = written(session)
    assert "cannot reach the cluster of context test: GET /x: connecting failed" in drawn
    assert drawn.index("Progressing") < drawn.index("cannot reach") < drawn.index("Promoting")

    fails()
    with pytest.raises(exits.Unusable, match="cannot reach"):
        commands.status(session, given("status", "podinfo", "-w"))


def test_a_live_table_is_no_document(kube: FakeKube) -> None:
    """Bad use, and told as such."""
    with pytest.raises(exits.Unusable, match="--watch shows a table: leave out --output json"):
        ran(kube, "get", "-w", "-o", "json")


def test_rows_follow_each_other_where_there_is_no_terminal(kube: FakeKube) -> None:
    """The heads once, then a line per change, as `kubectl get -w` writes them."""

    def ends() -> None:
        raise Ended

    clock = Passing(becomes(kube, "Promoting", 50), *[lambda: time.sleep(0.1)] * 5, ends)
    session = a_session(kube, clock=clock)
    with pytest.raises(Ended):
        listing.get(session, given("get", "-w"))
    assert [line.split()[:2] for line in written(session).splitlines()] == [
        ["NAME", "STATUS"],
        ["cart", "Succeeded"],
        ["podinfo", "Progressing"],
        ["podinfo", "Promoting"],
    ]


LINES: Final = [line.partition("#")[0] for line in fences.of("docs/cli.md")[0].text.splitlines()]


@pytest.mark.parametrize("line", LINES)
def test_the_commands_of_the_page_are_run(line: str, kube: FakeKube) -> None:
    """Each shows the canary; what stays, or waits, until it is ended."""

    def ends() -> None:
        raise Ended

    program, name, *words = line.split()
    assert program == "coalmine"
    told, clock = an_account(an_entry("Progressing", 30)), Passing(ends)
    session = a_session(kube, told, clock=clock, terminal=80)
    stays = pytest.raises(Ended) if {"-w", "--revision"} & set(words) else nullcontext()
    with stays:
        assert COMMANDS[name](session, given(name, *words)) == exits.OK
    assert "podinfo" in written(session)
