"""From manifest entries to checks: order, bounds, servers, and what cannot be measured."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from analysis.backends import Endpoint
from analysis.backends.backend import SecretKey
from analysis.judges import threshold
from analysis.metrics import checks
from analysis.metrics.checks import Check, CheckKind
from analysis.verdicts import Effect, Policies, Reason, Verdict
from clients.documents.world import TemplateView
from config.api.metrics import MissingValuePolicy
from tests.unit.analysis.metrics.builders import a_canary

SERVER = Endpoint(address="http://prometheus:9090")


LATE = TemplateView(kind="prometheus", address="http://sre:9090", query="late")


def checks_of(
    *metrics: dict[str, Any],
    provider: str = "istio",
    spec_provider: str = "",
    known: Mapping[str, TemplateView] | None = None,
    revision: str = "",
    **spec: Any,
) -> tuple[Check, ...]:
    """The checks of a canary with these entries, and `spec_provider` as its own provider.

    `known` are the templates that there are.
    """
    canary = a_canary(*metrics, **{**spec, "provider": spec_provider})
    return checks.checks_for(canary, provider, SERVER, revision, known or {})


@pytest.mark.parametrize(
    ("name", "entry", "bounds"),
    [
        ("request-success-rate", {"thresholdRange": {"min": 99}}, (99, None)),
        ("request-success-rate", {"threshold": 99}, (99, None)),
        ("request-success-rate", {}, (0, None)),
        ("request-success-rate", {"thresholdRange": {"min": 1, "max": 9}}, (1, 9)),
        ("request-duration", {"thresholdRange": {"max": 0.5}}, (None, 0.5)),
        ("request-duration", {"threshold": 500}, (None, 500)),
        ("request-duration", {}, (None, 0)),
        ("errors", {"query": "up", "threshold": 5}, (None, 5)),
        ("errors", {"query": "up"}, (None, 0)),
        ("errors", {"query": "up", "thresholdRange": {}, "threshold": 5}, (None, None)),
    ],
)
def test_bounds_follow_the_table_of_the_reference(
    name: str, entry: dict[str, Any], bounds: tuple[float | None, float | None]
) -> None:
    """A range replaces the threshold, even when empty; the threshold's side is the metric's."""
    (check,) = checks_of({"name": name, **entry})
    assert (check.minimum, check.maximum) == bounds


def test_template_checks_come_after_all_others() -> None:
    """Two passes over the entries, each in list order; one entry may make several checks."""
    reference = {"name": "late"}
    made = checks_of(
        {"name": "first", "templateRef": reference},
        {"name": "request-duration", "query": "up"},
        {"name": "third", "query": "up", "templateRef": reference},
        known={"test/late": LATE},
    )
    assert [(check.metric, check.kind) for check in made] == [
        ("request-duration", CheckKind.DURATION),
        ("request-duration", CheckKind.QUERY),
        ("third", CheckKind.QUERY),
        ("first", CheckKind.TEMPLATE),
        ("third", CheckKind.TEMPLATE),
    ]
    assert [check.endpoint for check in made[2:]] == [
        SERVER,
        *[Endpoint(address="http://sre:9090")] * 2,
    ]


def test_a_template_makes_the_query_that_the_manifest_could_have_written() -> None:
    """The same names, variables, window and bounds; only the server is that of the template."""
    text = "{{name}} {{namespace}} {{target}} {{service}} {{route}} {{interval}} {{variables.a}}"
    entry = {"interval": "2m", "templateVariables": {"a": "x"}, "thresholdRange": {"max": 5}}
    reference = {"name": "late", "namespace": "sre"}
    inline, template = checks_of(
        {"name": "own", "query": text, **entry},
        {"name": "own", "templateRef": reference, **entry},
        known={"sre/late": replace(LATE, query=text)},
    )
    assert template == replace(
        inline, kind=CheckKind.TEMPLATE, endpoint=Endpoint(address="http://sre:9090")
    )
    assert template.query.endswith(" 2m x")


def test_a_template_without_interval_has_a_window_of_a_minute() -> None:
    """D-69: Flagger renders an empty one."""
    entry = {"name": "own", "templateRef": {"name": "late"}}
    (check,) = checks_of(entry, known={"test/late": replace(LATE, query="up[{{ interval }}]")})
    assert check.query == "up[1m]"


def test_the_route_of_a_template_of_knative_is_the_revision() -> None:
    """Metrics 2, "Knative": the same substitution as in other queries."""
    target = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "podinfo"}
    (check,) = checks_of(
        {"name": "own", "templateRef": {"name": "late"}},
        known={"test/late": replace(LATE, query="{{ route }}")},
        targetRef=target,
        spec_provider="knative",
        revision="podinfo-00002",
    )
    assert check.query == "podinfo-00002"


@pytest.mark.parametrize(
    ("known", "reason", "message"),
    [
        (
            {},
            Reason.NO_TEMPLATE,
            'Metric template late.test error: metrictemplate.flagger.app "late" not found',
        ),
        (
            {"test/late": TemplateView(problems=("spec.query: is empty", "and more"))},
            Reason.INVALID_TEMPLATE,
            "Metric template late.test error: spec.query: is empty; and more",
        ),
        (
            {"test/late": replace(LATE, query="{{ variables.a }}")},
            Reason.QUERY_NOT_RENDERED,
            (
                "Metric template late.test query render error: line 1, column 13: "
                'map has no entry for key "a"'
            ),
        ),
    ],
)
def test_a_template_that_cannot_be_asked_is_an_error_that_says_why(
    known: Mapping[str, TemplateView], reason: Reason, message: str
) -> None:
    """Never nothing: metrics 3 and 4."""
    (check,) = checks_of({"name": "own", "templateRef": {"name": "late"}}, known=known)
    assert check.problem is not None
    result = threshold.judge(check, check.problem)
    assert (result.verdict, result.reason) == (Verdict.ERROR, reason)
    assert (result.effect, result.message) == (Effect.COUNTS, message)


def test_the_window_of_a_query_defaults_to_a_minute() -> None:
    """Built-in and inline queries alike."""
    made = checks_of({"name": "request-duration"}, {"name": "own", "query": "up[{{ interval }}]"})
    assert "[1m]" in made[0].query
    assert made[1].query == "up[1m]"


def test_a_query_knows_the_names_of_its_canary() -> None:
    """Each function of the reference, with its fallback to the target."""
    text = "{{name}} {{namespace}} {{target}} {{service}} {{ingress}} {{route}} {{interval}}"
    entry = {"name": "own", "interval": "2m", "query": text}
    (plain,) = checks_of(entry)
    (named,) = checks_of(entry, service={"port": 80, "name": "front"})
    assert plain.query == "podinfo test podinfo-app podinfo-app podinfo-app podinfo-app 2m"
    assert named.query == "podinfo test podinfo-app front podinfo-app podinfo-app 2m"


def test_variables_reach_the_query() -> None:
    """`templateVariables` are what `variables.key` reads."""
    entry = {"name": "own", "query": "{{ variables.a }}", "templateVariables": {"a": "up"}}
    assert checks_of(entry)[0].query == "up"


def test_a_query_that_does_not_render_is_an_error_with_its_position_and_is_not_executed() -> None:
    """There is no query text to execute, and the event says where the template is wrong."""
    (check,) = checks_of({"name": "own", "query": "up{\n  {{ variables.app }}}"})
    assert check.query == ""
    assert check.problem is not None
    result = threshold.judge(check, check.problem)
    assert (result.verdict, result.reason) == (Verdict.ERROR, Reason.QUERY_NOT_RENDERED)
    assert result.message == (
        "Prometheus query failed for own: query render error: line 2, column 15: "
        'map has no entry for key "app"'
    )


def test_the_server_of_the_canary_outranks_the_default() -> None:
    """`spec.metricsServer` replaces the flag for all its checks."""
    entries = ({"name": "request-duration"}, {"name": "own", "query": "up"})
    assert {check.endpoint for check in checks_of(*entries)} == {SERVER}
    own = checks_of(*entries, metricsServer="http://mine")
    assert {check.endpoint for check in own} == {Endpoint(address="http://mine")}


def test_a_provider_without_built_in_queries_is_an_error_not_istio() -> None:
    """The check fails with the provider's name; inline queries are not touched."""
    entries = ({"name": "request-duration"}, {"name": "own", "query": "up"})
    builtin, inline = checks_of(*entries, provider="linkerd")
    assert builtin.query == ""
    assert builtin.problem is not None
    assert builtin.problem.reason is Reason.NOT_SUPPORTED
    assert "'linkerd'" in builtin.problem.message
    assert inline.problem is None


def test_the_provider_of_the_canary_outranks_the_default() -> None:
    """In both directions, aliases resolved; an unknown one is an error that lists the known."""
    entry = {"name": "request-duration"}
    (own,) = checks_of(entry, provider="linkerd", spec_provider="istio")
    (alias,) = checks_of(entry, spec_provider="smi:istio")
    (other,) = checks_of(entry, spec_provider="linkerd")
    (unknown,) = checks_of(entry, provider="istoi")
    assert own.query == alias.query
    assert own.query.startswith("histogram_quantile(0.99, ")
    assert other.problem is not None
    assert unknown.problem is not None
    assert "'istoi' is not a provider; known are" in unknown.problem.message


def test_an_entry_without_anything_to_measure_fails() -> None:
    """It is not left out in silence."""
    (check,) = checks_of({"name": "nothing"})
    assert check.problem is not None
    result = threshold.judge(check, check.problem)
    assert result.effect is Effect.COUNTS
    assert result.message == (
        "Metric query failed for no usable metrics template and query were configured"
    )


def test_policies_come_from_the_entry() -> None:
    """`onNoData` and `onError`, fail by default."""
    entry = {"name": "own", "query": "up", "onNoData": "hold", "onError": "pass"}
    own, plain = checks_of(entry, {"name": "request-duration"})
    assert own.policies == Policies(MissingValuePolicy.HOLD, MissingValuePolicy.PASS)
    assert plain.policies == Policies(MissingValuePolicy.FAIL, MissingValuePolicy.FAIL)


def test_texts_name_the_provider_of_a_service_target_as_the_reference_does() -> None:
    """`:service` is appended for Kubernetes Service targets."""
    target = {"apiVersion": "v1", "kind": "Service", "name": "podinfo-app"}
    (check,) = checks_of({"name": "request-duration"}, targetRef=target)
    assert check.subject.provider == "istio:service"


def test_templates_are_probed_each_server_once() -> None:
    """Metrics 5: those that can be asked; of the others the condition speaks."""
    entries = [{"name": f"m{name}", "templateRef": {"name": name}} for name in "abcd"]
    views = {
        "test/a": LATE,
        "test/b": replace(LATE, query="other"),
        "test/c": replace(LATE, secret="token"),
        "test/d": replace(LATE, problems=("odd",)),
    }
    server = Endpoint(address="http://sre:9090")
    assert checks.endpoints_to_probe(a_canary(*entries), SERVER, views) == (
        server,
        replace(server, secret=SecretKey("test", "token")),
    )


def test_only_built_in_checks_are_probed_of_the_others() -> None:
    """The availability check looks at the metrics server of built-in names, once."""
    builtin = [{"name": "request-duration"}, {"name": "request-success-rate"}]
    assert checks.endpoints_to_probe(a_canary(*builtin), SERVER) == (SERVER,)
    assert checks.endpoints_to_probe(a_canary({"name": "own", "query": "up"}), SERVER) == ()
    assert checks.endpoints_to_probe(a_canary(), SERVER) == ()
