"""Whole rollouts measured by MetricTemplates: used, edited, deleted, of no use (metrics 4).

What is asked is looked at; who answers, and with which credentials, is tests/contract's business.
"""

from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.backends.backend import Endpoint, SecretKey
from analysis.findings import Absent, Measurement, Sample
from analysis.metrics.checks import Check
from analysis.verdicts import Reason, Verdict
from clients import errors
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes import memory_redis
from tests.stage import measuring, rollouts
from tests.stage.rollouts import FAILED, LONG
from tests.stage.stage import Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

KIND: Final = resources.METRIC_TEMPLATES
FIELD: Final = "spec.analysis.metrics[0].templateRef"
GONE: Final = (
    'Metric template errors.sre error: metrictemplate.flagger.app "errors" not found',
    (
        f"{FIELD}: Invalid value: 'errors': metrictemplate errors.sre not found; allowed is the "
        "name of an existing MetricTemplate in namespace sre"
    ),
)
"""The text of a check that cannot be made, and that of the condition."""


def a_template(name: str = "errors", namespace: str = "sre", **spec: Any) -> dict[str, Any]:
    """The MetricTemplate `errors.sre`."""
    provider = {
        "type": "prometheus",
        "address": "https://prom.sre:9090/prefix",
        "headers": {"X-Scope-OrgID": ["team-a"]},
        "insecureSkipVerify": True,
        "secretRef": {"name": "prom-token"},
    }
    query = 'errors{ns="{{ namespace }}",app="{{ target }}",tier="{{ variables.tier }}"}'
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"provider": provider, "query": f"{query}[{{{{ interval }}}}]", **spec},
    }


def templated(**entry: Any) -> dict[str, Any]:
    """The canary of that template, bounded by 5."""
    metric = {
        "name": "errors",
        "templateRef": {"name": "errors", "namespace": "sre"},
        "templateVariables": {"tier": "gold"},
        "thresholdRange": {"max": 5},
        **entry,
    }
    return a_manifest(metrics=[metric])


def staged(template: dict[str, Any] | None, **entry: Any) -> Stage:
    """A stage on which that canary is initialized, and five errors are counted."""
    stage = Stage()
    stage.kube.create(resources.NAMESPACES, None, {"metadata": {"name": "sre"}})
    if template is not None:
        stage.create(KIND, template)
    stage.meters.source = served
    return initialized(templated(**entry), stage)


def served(check: Check) -> Measurement:
    """Five errors are counted, by the only kind of server that there is a backend for."""
    kind = check.endpoint.kind
    is_known = kind == "prometheus"
    return Sample(5) if is_known else Absent(Verdict.ERROR, Reason.INVALID_ADDRESS, kind)


def stepping(**entry: Any) -> Stage:
    """The same, at its first step."""
    stage = staged(a_template(), **entry)
    stage.release("cart:2")
    return rollouts.at_weight(stage, 20)


def edit(stage: Stage, spec: dict[str, Any]) -> None:
    """Somebody edits the template."""
    stage.kube.patch(KIND, "sre", "errors", {"spec": spec})


def test_a_template_is_rendered_for_the_canary_and_asked_at_its_own_server() -> None:
    """Address, headers and TLS of the template, its Secret in its own namespace, by name alone."""
    stage = stepping(interval="2m")
    rollouts.succeeded(rollouts.finish(stage))

    asked = {check for checks in stage.meters.asked for check in checks}
    assert {check.query for check in asked} == {'errors{ns="shop",app="cart-app",tier="gold"}[2m]'}
    assert {check.endpoint for check in asked} == {
        Endpoint(
            kind="prometheus",
            address="https://prom.sre:9090/prefix",
            headers=(("X-Scope-OrgID", ("team-a",)),),
            secret=SecretKey("sre", "prom-token"),
            verify_tls=False,
        )
    }


def test_a_value_beyond_its_bounds_is_told_as_that_of_a_query() -> None:
    """Metrics 1, "Messages": with its name and two decimals."""
    stage = stepping()
    stage.meters.source = lambda _: Sample(6.2)
    rollouts.finish(stage)

    assert "Halt cart.shop advancement errors 6.20 > 5" in rollouts.told(stage)
    rollouts.rolled_back(stage)


def test_no_value_is_told_in_flagger_s_words() -> None:
    """Metrics 1, "no data, template"."""
    stage = stepping()
    stage.meters.source = measuring.silent
    rollouts.finish(stage)

    text = "Halt advancement no values found for custom metric: errors: no values found for errors"
    assert text in rollouts.told(stage)
    rollouts.rolled_back(stage)


def test_an_edited_template_is_used_from_the_next_check() -> None:
    """Query and server; no check is made for it, and the rollout takes as long as ever."""
    stage = stepping()
    made = len(stage.meters.asked)
    edit(stage, {"query": "up", "provider": {"address": "http://other:9090", "headers": None}})
    stage.settle()
    assert len(stage.meters.asked) == made

    rollouts.at_weight(stage, 40)
    (check,) = stage.meters.asked[-1]
    assert (check.query, check.endpoint.address) == ("up", "http://other:9090")
    assert check.endpoint.headers == ()


@pytest.mark.parametrize("is_lost", [False, True], ids=["state kept", "state lost"])
def test_a_template_that_is_deleted_in_mid_rollout_is_no_metric_rather_than_silence(
    *, is_lost: bool
) -> None:
    """The check fails and says so, the condition names the template; three strikes roll back."""
    stage = stepping()
    stage.kube.delete(KIND, "sre", "errors")
    if is_lost:
        stage.settle()
        stage.forget_everything()
    stage.run(lambda on: on.status.get("failedChecks") == 1, within=LONG)
    assert (stage.split, stage.phase()) == (TrafficSplit(80, 20), "Progressing")
    accepted = stage.condition("Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "TemplateNotFound")
    assert accepted["message"] == GONE[1]

    rollouts.finish(stage)
    assert rollouts.told(stage).count(GONE[0]) >= 1
    assert stage.weights == [0, 20, 0]
    rollouts.rolled_back(stage)


@pytest.mark.parametrize("policy", ["hold", "pass"])
def test_no_step_is_taken_without_the_template_whatever_its_absence_counts(policy: str) -> None:
    """`onError: pass` passes the check, the manifest is not accepted; mended, it goes on."""
    stage = stepping(onError=policy)
    stage.kube.delete(KIND, "sre", "errors")
    stage.wait(timedelta(minutes=10))
    assert (stage.split, stage.phase()) == (TrafficSplit(80, 20), "Progressing")
    assert stage.status["failedChecks"] == 0

    stage.create(KIND, a_template())
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.condition("Accepted")["status"] == "True"


def test_a_canary_waits_for_its_template_and_is_initialized_when_it_comes() -> None:
    """Manifests of one release come in any order; nothing is touched meanwhile."""
    stage = Stage()
    stage.kube.create(resources.NAMESPACES, None, {"metadata": {"name": "sre"}})
    stage.create(resources.DEPLOYMENTS, a_deployment())
    stage.create(
        resources.CANARIES, {**templated(), "metadata": {"name": "cart", "namespace": "shop"}}
    )
    stage.wait(timedelta(minutes=20))
    assert stage.condition("Accepted")["message"] == GONE[1]
    assert stage.condition("Waiting")["reason"] == "NotAccepted"
    assert [each["metadata"]["name"] for each in stage.kube.list(resources.DEPLOYMENTS).items] == [
        "cart-app"
    ]

    stage.create(KIND, a_template())
    stage.settle()
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(seconds=10))


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        (
            {"provider": {"type": "datadog"}},
            "NotCarriedOut",
            (
                'spec.provider.type: "datadog": is not carried out by this version; carried out: '
                "prometheus"
            ),
        ),
        (
            {"provider": {"address": "prom.sre"}},
            "InvalidTemplate",
            (
                "spec.provider.address: (a URL without scheme and host): is not a usable URL "
                "(allowed: an absolute http:// or https:// URL)"
            ),
        ),
        (
            {"query": "up{{ variables.other }}"},
            "InvalidTemplate",
            'spec.query: line 1, column 15: map has no entry for key "other"',
        ),
        (
            {"query": "{{ range variables }}x{{ end }}"},
            "InvalidTemplate",
            "spec.query: line 1, column 4: range is not supported",
        ),
    ],
)
@pytest.mark.parametrize("is_running", [False, True], ids=["at rest", "in mid-rollout"])
def test_a_template_of_no_use_moves_no_traffic_and_is_named(
    spec: dict[str, Any], reason: str, message: str, *, is_running: bool
) -> None:
    """With what is allowed; a release waits, a rollout stays at its weight and fails its checks."""
    stage = staged(a_template())
    if is_running:
        stage.release("cart:2")
        rollouts.at_weight(stage, 20)
    edit(stage, spec)
    stage.settle()
    accepted = stage.condition("Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", reason)
    assert accepted["message"] == f"{FIELD}: MetricTemplate errors.sre: {message}"
    assert accepted["message"] in stage.texts()

    if is_running:
        rollouts.rolled_back(rollouts.finish(stage))
        assert stage.weights == [0, 20, 0]
        return
    stage.release("cart:2")
    stage.wait(timedelta(minutes=10))
    assert (stage.weights, stage.phase()) == ([0], "Initialized")
    edit(stage, a_template()["spec"])
    rollouts.succeeded(rollouts.finish(stage))


def test_a_template_is_shared_and_each_canary_hears_of_its_end() -> None:
    """Two canaries of two namespaces with one template."""
    stage = staged(a_template())
    other = a_deployment()
    other["metadata"]["namespace"] = "prod"
    stage.kube.create(resources.DEPLOYMENTS, "prod", other)
    metadata = {"name": "cart", "namespace": "prod"}
    stage.kube.create(resources.CANARIES, "prod", {**templated(), "metadata": metadata})
    stage.wait(timedelta(seconds=20))
    stage.kube.delete(KIND, "sre", "errors")
    stage.settle()
    for namespace in ("shop", "prod"):
        live = stage.kube.get(resources.CANARIES, namespace, "cart")
        told = {each["type"]: each for each in live["status"]["conditions"]}
        assert told["Accepted"]["reason"] == "TemplateNotFound"


def test_a_canary_that_skips_its_analysis_needs_no_template() -> None:
    """Nobody asks for what is not measured."""
    stage = Stage()
    manifest = templated()
    manifest["spec"]["skipAnalysis"] = True
    initialized(manifest, stage)
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))


def test_templates_that_cannot_be_listed_hold_those_who_need_one_and_nobody_else() -> None:
    """A beat whose rights are older than templates; the kind is named."""
    stage = staged(a_template())
    stage.beat.refusals[KIND] = errors.Permanent("cannot list metrictemplates", status=403)
    stage.beat.restart()
    stage.release("cart:2")
    stage.wait(timedelta(minutes=2))
    assert (stage.weights, stage.condition("Accepted")["reason"]) == ([0], "NotWatched")

    stage.beat.refusals.clear()
    rollouts.succeeded(rollouts.finish(stage))

    stage = Stage()
    stage.beat.refusals[KIND] = errors.Permanent("cannot list metrictemplates", status=403)
    initialized(a_manifest(), stage)
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))


def test_nothing_of_a_secret_is_kept_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in Redis, nor in messages, events, statuses and logs; its name is in the world."""
    caplog.set_level("DEBUG")
    stage = Stage(measuring=True)
    stage.kube.create(resources.NAMESPACES, None, {"metadata": {"name": "sre"}})
    token = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prom-token"}}
    hidden = {"token": "dDBrM24taGlkZGVu"}
    stage.kube.create(resources.SECRETS, "sre", {**token, "data": hidden})
    unreachable = {
        "type": "prometheus",
        "address": "http://127.0.0.1:1",
        "secretRef": {"name": "prom-token"},
    }
    stage.create(KIND, a_template(provider=unreachable))
    initialized(templated(), stage)
    stage.release("cart:2")
    rollouts.rolled_back(rollouts.finish(stage))

    reads = [call for call in stage.door.calls if call.resource == "secrets"]
    assert reads
    dump = repr(memory_redis.copied(stage.redis))
    kept = [caplog.text, dump, *stage.texts(), repr(stage.status)]
    assert not [text for text in kept if "t0k3n-hidden" in text or hidden["token"] in text]


def test_a_missing_secret_fails_the_check_and_is_named() -> None:
    """Metrics 4: "a missing Secret fails the check"."""
    stage = Stage(measuring=True)
    stage.kube.create(resources.NAMESPACES, None, {"metadata": {"name": "sre"}})
    stage.create(KIND, a_template())
    initialized(templated(), stage)
    stage.release("cart:2")
    rollouts.finish(stage)
    text = "Metric query failed for errors: secret prom-token.sre: not found"
    assert text in rollouts.told(stage)
    assert FAILED in rollouts.told(stage)
    assert stage.texts()[0].startswith(
        "Error checking metric providers: prometheus https://prom.sre"
    )
