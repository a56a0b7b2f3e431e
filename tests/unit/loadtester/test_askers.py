"""Who asks for gates, as one process knows it."""

from datetime import UTC, datetime

from clients.gates import GateId, GateKind
from config.refs import ObjectRef
from loadtester.askers import Askers

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_gate(name: str) -> GateId:
    """Of a canary in prod."""
    return GateId(GateKind.GATE, ObjectRef("prod", name))


def test_those_that_have_not_asked_for_longest_are_forgotten() -> None:
    """Whoever asks again counts as new."""
    askers = Askers(lambda: NOON, limit=2)
    for name in ("a", "b", "a", "c"):
        askers.note(a_gate(name))
    assert list(askers.last()) == [a_gate("a"), a_gate("c")]


def test_a_remark_names_a_few_others_the_latest_first() -> None:
    """One line, however many canaries there are."""
    askers = Askers(lambda: NOON)
    for number in range(9):
        askers.note(a_gate(f"cart-{number}"))
    assert askers.remark(a_gate("cart")).endswith(
        "others have: cart-8.prod, cart-7.prod, cart-6.prod\n"
    )
    assert askers.remark(a_gate("cart-0")) == ""


def test_a_remark_says_nothing_that_a_terminal_would_obey() -> None:
    """Whoever may ask chooses the names."""
    askers = Askers(lambda: NOON)
    askers.note(a_gate("a\x1b[2Jb\n"))
    assert askers.remark(a_gate("c\x07")) == (
        "no canary c .prod has asked for this gate since the load tester started; "
        "others have: a [2Jb .prod\n"
    )
