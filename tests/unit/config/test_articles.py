"""What readers of public guides paste, and what they are told about it."""

import yaml

from config import derived
from config.api.analysis import ThresholdMode
from config.api.canary import Canary
from config.validation import hints, manifests
from tests.unit.config.manifests import FOLDER


def _pasted(name: str) -> Canary:
    raw = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return manifests.load_canary(raw)


def test_header_users_beside_weights_are_understood() -> None:
    """`a_b_test` beside `stepWeights` keeps its shape; the strategy stays weighted."""
    canary = _pasted("header-users-beside-weights")
    (entry,) = canary.spec.analysis.a_b_test

    assert (entry.header.name, entry.header.value.exact) == ("x-user-group", "beta-testers")
    assert derived.strategy_kind(canary) is derived.StrategyKind.CANARY


def test_consecutive_failed_checks_can_be_asked_for() -> None:
    """What guides say `threshold` means is available by name."""
    canary = _pasted("header-users-beside-weights")

    assert canary.spec.analysis.threshold_mode is ThresholdMode.CONSECUTIVE


def test_the_older_key_and_provider_name_work_with_a_warning() -> None:
    """`canaryAnalysis` and `smi:istio` are aliases, and said to be."""
    canary = _pasted("older-analysis-key")

    assert canary.spec.analysis.step_weight == 5
    assert derived.provider(canary, "kubernetes") == "istio"
    assert {warning.field for warning in hints.warnings(canary)} == {
        "spec.canaryAnalysis",
        "spec.provider",
        "spec.analysis.metrics[0].threshold",
    }


def test_an_autoscaler_of_a_removed_api_version_is_accepted() -> None:
    """`autoscaling/v2beta2` in the reference is only informative."""
    ref = _pasted("podinfo-as-in-articles").spec.autoscaler_ref

    assert ref is not None
    assert ref.api_version == "autoscaling/v2beta2"


def test_each_mistake_of_the_guide_is_pointed_out() -> None:
    """Target, workload label, ignored maximum, own query under a builtin name."""
    warnings = hints.warnings(_pasted("podinfo-as-in-articles"))

    meant = {each.field: each.message.rpartition("(allowed: ")[2] for each in warnings}
    assert meant == {
        "spec.targetRef.name": "probably podinfo)",
        "spec.analysis.maxWeight": "no value beside stepWeights)",
        "spec.analysis.metrics[0].name": "another name for a check of your own)",
        "spec.analysis.metrics[0].query": "podinfo)",
    }


def test_a_list_of_steps_wins_over_the_maximum() -> None:
    """`stepWeights` and `maxWeight` together run the list, as in Flagger."""
    canary = _pasted("podinfo-as-in-articles")

    assert derived.step_weights(canary) == (10, 20, 30, 40, 50)
    assert derived.max_weight(canary) == 50
