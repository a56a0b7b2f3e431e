"""Whatever JSON is stored as a Canary, the controller goes on (D-29, D-30).

Two sources: JSON of any shape, and manifests of the collection with parts of them replaced, which
reach far deeper.
"""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import derived, durations, names
from config.api.canary import Canary
from config.validation import hints, manifests, support
from config.validation.problems import InvalidSpec
from tasks.registries import BUILT_IN
from tests.unit.config.manifests import canaries

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=8)
    | st.sampled_from(
        ["", "1m", "-5s", "9" * 30 + "h", "http://[", "http://x:0/", "istio", "\ud800"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def _places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place of a JSON value, containers included."""
    found = [place]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += _places(inner, (*place, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            found += _places(inner, (*place, index))
    return found


def _replaced(value: Any, place: tuple[str | int, ...], new: Any) -> Any:
    if not place:
        return new
    changed = copy.copy(value)
    changed[place[0]] = _replaced(value[place[0]], place[1:], new)
    return changed


@st.composite
def damaged_manifests(draw: st.DrawFn) -> Any:
    """A manifest of the collection with up to three values replaced by arbitrary JSON."""
    raw: Any = draw(st.sampled_from(canaries()))
    for _ in range(draw(st.integers(1, 3))):
        raw = _replaced(raw, draw(st.sampled_from(_places(raw))), draw(JSON))
    return raw


def _loaded(raw: Any) -> Canary | InvalidSpec:
    try:
        return manifests.load_canary(raw)
    except InvalidSpec as refusal:
        return refusal


def _use(canary: Canary) -> None:
    """What the rest of the system asks of a canary that was let in."""
    assert derived.interval(canary) >= derived.MIN_INTERVAL
    assert derived.threshold(canary) >= 1
    assert 1 <= derived.max_weight(canary) <= 100
    steps = derived.step_weights(canary)
    assert list(steps) == sorted(set(steps))
    derived.progress_deadline(canary)
    derived.provider(canary, "istio")
    names.apex_name(canary)
    for check in canary.spec.analysis.metrics:
        durations.parse(derived.metric_window(check))
    for hook in canary.spec.analysis.webhooks:
        derived.webhook_timeout(hook)
    hints.warnings(canary)
    support.not_carried_out(canary, "istio", BUILT_IN.carried_out)
    canary.wire()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(JSON | damaged_manifests())
def test_any_json_is_a_usable_canary_or_a_list_of_problems(raw: Any) -> None:
    """Nothing a user can store crashes the controller, now or later in a rollout.

    Validation prunes copies, never its input.
    """
    before = copy.deepcopy(raw)
    loaded = _loaded(raw)
    assert repr(raw) == repr(before)
    match loaded:
        case Canary() as canary:
            _use(canary)
        case InvalidSpec() as refusal:
            assert refusal.problems
            assert list(refusal.problems) == sorted(set(refusal.problems))
            assert str(refusal).isprintable()
