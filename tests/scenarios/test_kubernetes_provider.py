"""Provider kubernetes: blue/green without a mesh, on the selectors of Services.

Users' requests never meet the canary before it is promoted; load generators ask `-canary`.
"""

from datetime import timedelta
from typing import Any, Final

from clients.kube import resources
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG, replicas
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

NO_MATCH: Final = "A/B testing is not supported when using the kubernetes provider"
NO_WEIGHTS: Final = "Progressive traffic is not supported when using the kubernetes provider"
TEN: Final = "Setting canaryAnalysis.iterations: 10"


def manifest(*, provider: str = "kubernetes", **analysis: Any) -> dict[str, Any]:
    """A canary without a mesh, of three iterations unless `analysis` says something else."""
    made = a_manifest(spec={"provider": provider})
    kept = ("interval", "threshold", "metrics")
    steps = analysis or {"iterations": 3}
    made["spec"]["analysis"] = {**{key: made["spec"]["analysis"][key] for key in kept}, **steps}
    return made


def iterations(count: int) -> list[str]:
    """The events of so many iterations."""
    return [f"Advance cart.shop canary iteration {done}/{count}" for done in range(1, count + 1)]


def apex(stage: Stage) -> Any:
    """What the apex Service selects."""
    return stage.kube.get(resources.SERVICES, "shop", "cart-app")["spec"]["selector"]


def test_a_good_release_is_promoted_without_traffic() -> None:
    """10.3 and 12: iterations, promotion, and no step of traffic; the weight shown stays 0."""
    stage = rollouts.released(manifest())
    stage.run(lambda on: on.status.get("iterations") == 2, within=LONG)
    assert stage.status["canaryWeight"] == 0
    assert apex(stage) == {"app": "cart-app-primary"}
    rollouts.succeeded(rollouts.finish(stage))

    assert stage.weights == [0]
    assert rollouts.told(stage) == [
        *rollouts.BEGINNING,
        *iterations(3),
        rollouts.COPYING,
        rollouts.COMPLETED,
    ]
    assert stage.kube.list(resources.VIRTUAL_SERVICES).items == ()
    assert stage.kube.list(resources.DESTINATION_RULES).items == ()


def test_a_bad_release_is_rolled_back_and_nobody_noticed() -> None:
    """Three failed checks; the apex never selected it."""
    stage = rollouts.released(manifest())
    stage.meters.source = measuring.failing
    rollouts.rolled_back(rollouts.finish(stage))
    assert stage.weights == [0]


def test_the_controller_s_default_provider_counts() -> None:
    """A canary that names none is carried out without a mesh where that is the default."""
    settings = Stage().settings
    canaries = settings.canaries.__class__(mesh_provider="kubernetes")
    stage = Stage(settings=settings.__class__(canaries=canaries))
    given = manifest()
    del given["spec"]["provider"]
    initialized(given, stage)
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    assert rollouts.told(stage) == [
        *rollouts.BEGINNING,
        *iterations(3),
        rollouts.COPYING,
        rollouts.COMPLETED,
    ]


def test_weights_become_ten_iterations_and_that_is_told() -> None:
    """Step 27, with Flagger's warnings, once instead of at every tick."""
    stage = rollouts.released(manifest(stepWeight=20, maxWeight=60))
    rollouts.succeeded(rollouts.finish(stage))
    assert [stage.texts().count(text) for text in (NO_WEIGHTS, TEN, NO_MATCH)] == [1, 1, 0]
    assert iterations(10) == [text for text in stage.texts() if "iteration " in text]
    assert stage.condition("Accepted")["status"] == "True"


def test_chosen_users_are_dropped_and_that_is_told() -> None:
    """An A/B test is blue/green here."""
    match = [{"headers": {"x-canary": {"exact": "1"}}}]
    stage = rollouts.released(manifest(iterations=2, match=match))
    rollouts.succeeded(rollouts.finish(stage))
    assert [stage.texts().count(text) for text in (NO_WEIGHTS, TEN, NO_MATCH)] == [0, 0, 1]
    assert stage.weights == [0]


def test_a_primary_that_dies_of_its_promotion_leaves_its_users_to_the_canary() -> None:
    """D-11: in Flagger the apex goes on selecting the dead primary."""
    stage = rollouts.released(manifest())
    stage.kubelet.held.add("cart-app-primary")
    stage.edit_canary(progressDeadlineSeconds=60)
    stage.run(lambda on: on.split == ALL_TO_CANARY, within=LONG)
    assert apex(stage) == {"app": "cart-app"}
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    assert stage.status["canaryWeight"] == 100
    assert replicas(stage) == 2

    stage.kubelet.held.clear()
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    assert stage.split == ALL_TO_PRIMARY
    assert apex(stage) == {"app": "cart-app-primary"}


def test_an_apex_service_edited_by_hand_is_brought_back_at_once() -> None:
    """Users are not led to a canary without pods, nor to strangers."""
    stage = initialized(manifest())
    for value in ("cart-app", "db"):
        stage.edit(resources.SERVICES, "cart-app", {"spec": {"selector": {"app": value}}})
        stage.settle()
        assert apex(stage) == {"app": "cart-app-primary"}


def test_a_rollout_survives_the_loss_of_its_state() -> None:
    """Iterations are in the status; without a mesh there is no weight to be cautious about."""
    stage = rollouts.released(manifest(iterations=5))
    stage.run(lambda on: on.status.get("iterations") == 3, within=LONG)
    stage.forget_everything()
    rollouts.succeeded(rollouts.finish(stage))
    done = [text for text in stage.texts() if "iteration " in text]
    assert done[:3] == iterations(5)[:3]
    assert done[-1] == iterations(5)[-1]


def test_skipping_the_analysis_tells_nothing_of_iterations() -> None:
    """14: the release is promoted as it is."""
    given = manifest(stepWeight=20)
    given["spec"]["skipAnalysis"] = True
    stage = initialized(given)
    stage.release("cart:2")
    stage.run(lambda on: on.image("cart-app-primary") == "cart:2", within=timedelta(minutes=5))
    rollouts.succeeded(rollouts.finish(stage))
    assert NO_WEIGHTS not in stage.texts()
