"""What public articles have users paste, row by row: what they promise happens, or is told.

Five articles (000 to 004, tests/manifests/articles) say what 23 rows of promises and mistakes are
about; the row's number is in the docstring. Their manifests are applied as they stand, to a cluster
that has what they refer to.

Of some rows a part is for later: the commands `validate` and `simulate` (4, 5, 6, 9), the load
tester (18) and other providers (23). Left to other files: what real servers say of the same
manifests (tests/contract/test_articles), the recording rule (7), the alert rule (19) and the
dashboard (22), which are asked of a real Prometheus (tests/system/test_dashboards).
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

import pytest
import yaml

from analysis.findings import Absent, Measurement
from analysis.metrics.checks import Check, CheckKind
from analysis.verdicts import Reason, Verdict
from clients.kube import resources
from clients.kube.resources import Resource
from clients.logs import JsonFormatter
from config.settings.settings import Settings
from config.traffic import ALL_TO_PRIMARY
from sandbox.prometheus import PrometheusServer
from sandbox.promql import SeriesStore
from tests import fences
from tests.stage import measuring, pasted, rollouts
from tests.stage.pasted import Pasted, Raw
from tests.stage.rollouts import LONG

MENDED: Final = "podinfo"
"""The target of article 000 by the name that its warnings propose."""


def of_article(name: str, *, target: str | None = None) -> Raw:
    """The Canary of an article's file."""
    return pasted.canary(f"articles/{name}", target=target)


def workload(name: str | None = None) -> Raw:
    """The Deployment of article 000, under another name where one is given."""
    raw = pasted.documents("articles/000-deployment")[0]
    return {**raw, "metadata": {**raw["metadata"], "name": name or raw["metadata"]["name"]}}


def service() -> Raw:
    """The Service of article 000."""
    return pasted.documents("articles/000-deployment")[1]


def routing() -> list[Raw]:
    """VirtualService and DestinationRule of article 000."""
    return [each for each in pasted.documents("articles/000-routing") if each["kind"] != "Gateway"]


def at_weight(stage: Pasted, weight: int) -> Pasted:
    """`stage`, gone on until the canary has `weight`, whoever is weighed."""
    stage.run(lambda on: bool(on.split and on.split.canary == weight), within=LONG)
    return stage


def phase(stage: Pasted, wanted: str) -> Pasted:
    """`stage`, gone on until the status shows the phase."""
    stage.run(lambda on: on.phase() == wanted, within=LONG)
    return stage


def said(stage: Pasted) -> dict[str, str]:
    """The lines of the condition `Accepted`, by the field that each begins with."""
    accepted = stage.condition("Accepted")
    assert accepted["status"] == "True"
    return dict(line.split(": ", 1) for line in accepted["message"].splitlines())


def http(text: str) -> Any:
    """HTTP rules."""
    return yaml.safe_load(text)


# --- 1 to 3: routes


def test_users_with_a_header_meet_the_canary_while_others_are_weighed() -> None:
    """Row 1: the match first, all of it to the canary; then by weight. At rest nobody does."""
    stage = Pasted(of_article("000-canary-abtest", target=MENDED))
    stage.initialize(workload(MENDED)).release_next()
    at_weight(stage, 10)
    assert stage.rules() == http("""
        - match: [{headers: {x-user-group: {exact: beta-testers}}}]
          route:
          - {destination: {host: podinfo-canary}, weight: 100}
        - route:
          - {destination: {host: podinfo-primary}, weight: 90}
          - {destination: {host: podinfo-canary}, weight: 10}
    """)
    stage.finish()
    assert stage.phase() == "Succeeded"
    assert stage.weights == [0, 10, 20, 30, 40, 50, 0]
    assert stage.rules() == http("""
        - route:
          - {destination: {host: podinfo-primary}, weight: 100}
          - {destination: {host: podinfo-canary}, weight: 0}
    """)


def test_users_of_a_match_without_iterations_are_weighed_themselves() -> None:
    """Row 2: the other form; whoever does not match stays at the primary."""
    manifest = of_article("000-canary", target=MENDED)
    manifest["spec"]["analysis"]["match"] = [{"headers": {"x-user-group": {"exact": "beta"}}}]
    stage = Pasted(manifest).initialize(workload(MENDED)).release_next()
    at_weight(stage, 10)
    assert stage.rules() == http("""
        - match: [{headers: {x-user-group: {exact: beta}}}]
          route:
          - {destination: {host: podinfo-primary}, weight: 90}
          - {destination: {host: podinfo-canary}, weight: 10}
        - route:
          - {destination: {host: podinfo-primary}, weight: 90}
    """)


def test_a_route_and_a_service_that_were_there_are_taken_over() -> None:
    """Row 3: three Services and routes by host; the user's DestinationRule stays as it was."""
    stage = Pasted(of_article("000-canary", target=MENDED))
    stage.initialize(workload(MENDED), service(), *routing())
    spec = stage.kube.get(resources.VIRTUAL_SERVICES, "test", "podinfo")["spec"]
    assert spec == {
        "hosts": ["*"],
        "gateways": ["podinfo-gateway"],
        "http": http("""
            - route:
              - {destination: {host: podinfo-primary}, weight: 100}
              - {destination: {host: podinfo-canary}, weight: 0}
        """),
    }
    selectors = {
        each["metadata"]["name"]: each["spec"]["selector"]
        for each in stage.kube.list(resources.SERVICES, "test").items
    }
    assert selectors == {
        "podinfo": {"app": "podinfo-primary"},
        "podinfo-primary": {"app": "podinfo-primary"},
        "podinfo-canary": {"app": "podinfo"},
    }
    rule = stage.kube.get(resources.DESTINATION_RULES, "test", "podinfo")["spec"]
    assert rule == routing()[1]["spec"]


def test_subsets_of_one_host_are_a_choice() -> None:
    """Row 3: the article's own form, with labels that tell a canary from its primary."""
    manifest = of_article("000-canary-abtest", target=MENDED)
    manifest["spec"]["service"]["subsets"] = True
    stage = Pasted(manifest).initialize(workload(MENDED), service(), *routing()).release_next()
    at_weight(stage, 10)
    assert stage.rules() == http("""
        - match: [{headers: {x-user-group: {exact: beta-testers}}}]
          route:
          - {destination: {host: podinfo, subset: canary}, weight: 100}
        - route:
          - {destination: {host: podinfo, subset: primary}, weight: 90}
          - {destination: {host: podinfo, subset: canary}, weight: 10}
    """)
    rule = stage.kube.get(resources.DESTINATION_RULES, "test", "podinfo")["spec"]
    assert rule["host"] == "podinfo"
    assert rule["subsets"] == http("""
        - {name: primary, labels: {app: podinfo-primary}}
        - {name: canary, labels: {app: podinfo}}
    """)


# --- 4 to 7: names and queries


def test_a_target_with_the_name_of_a_primary_runs_and_says_what_is_meant() -> None:
    """Rows 4, 5 and 17: as it stands it is rolled out, and each mistake is in the condition.

    What a list of weights makes of any maximum: tests/unit/analysis/test_weights.
    """
    stage = Pasted(of_article("000-canary")).initialize(workload())
    assert said(stage) == {
        "spec.targetRef.name": (
            '"podinfo-primary": names a generated object; the target is the workload you deploy, '
            "its primary will be podinfo-primary-primary (allowed: probably podinfo)"
        ),
        "spec.analysis.maxWeight": (
            "50: is ignored; the last of stepWeights counts, 50 "
            "(allowed: no value beside stepWeights)"
        ),
        "spec.analysis.metrics[0].name": (
            '"request-success-rate": also runs the builtin check of this name '
            "(allowed: another name for a check of your own)"
        ),
        "spec.analysis.metrics[0].query": (
            '"destination_workload podinfo-canary": selects no workload: the canary\'s workload '
            "has the name of the target (allowed: podinfo)"
        ),
        "spec.analysis.metrics[1].name": (
            '"request-duration": also runs the builtin check of this name '
            "(allowed: another name for a check of your own)"
        ),
        "spec.analysis.metrics[1].query": (
            '"destination_workload podinfo-canary": selects no workload: the canary\'s workload '
            "has the name of the target (allowed: podinfo)"
        ),
    }
    stage.release_next().finish()
    assert stage.phase() == "Succeeded"
    assert stage.image("podinfo-primary-primary") == "app:2"
    assert stage.weights == [0, 10, 20, 30, 40, 50, 0]


def test_a_query_that_is_none_fails_its_check_in_the_words_of_the_server() -> None:
    """Row 6: `or 0`; the release is rolled back, and everybody can read why."""
    server = PrometheusServer(SeriesStore(), now=lambda: 0.0).start()
    settings = Settings.from_environ({"COALMINE_METRICS_SERVER": server.url})
    manifest = of_article("000-canary", target=MENDED)
    metrics = manifest["spec"]["analysis"]["metrics"]
    metrics[:] = [{**metrics[0], "name": "own-success-rate"}]
    try:
        stage = Pasted(manifest, settings=settings, measuring=True)
        stage.initialize(workload(MENDED)).release_next().finish()
    finally:
        server.stop()
    assert stage.phase() == "Failed"
    refused = [text for text in stage.told() if "query failed" in text]
    assert len(refused) == 10
    for text in refused:
        assert text.startswith("Prometheus query failed for own-success-rate: error response: 400")
        assert "parse error: set operator 'or' not allowed in binary scalar expression" in text
    assert stage.told()[-2:] == [
        "Rolling back podinfo.test failed checks threshold reached 10",
        "Canary failed! Scaling down podinfo.test",
    ]


def test_a_recorded_rate_without_labels_is_no_data_and_said_to_select_nothing() -> None:
    """Row 7: the lookup is named in the condition; nothing is promoted on it."""
    stage = Pasted(of_article("000-canary-lookup")).initialize()
    assert said(stage) == {
        "spec.analysis.metrics[0].query": (
            '"destination_workload podinfo-canary": selects no workload: the canary\'s workload '
            "has the name of the target (allowed: podinfo)"
        )
    }
    stage.meters.source = measuring.silent
    stage.release_next().finish()
    assert stage.phase() == "Failed"
    none = "Halt advancement no values found for metric: recorded-success-rate"
    assert stage.told().count(none) == 10


# --- 8: the threshold


@pytest.mark.parametrize(
    ("mode", "weights"),
    [("cumulative", [0, 10, 20, 0]), ("consecutive", [0, 10, 20, 30, 40, 50, 0])],
)
def test_failed_checks_are_counted_over_the_run_unless_asked_otherwise(
    mode: str, weights: list[int]
) -> None:
    """Row 8: two failures, a success and one more are three; three in a row there never are."""
    manifest = of_article("002-canary")
    manifest["spec"]["analysis"] |= {"threshold": 3, "thresholdMode": mode}
    stage = Pasted(manifest).initialize().release_next()
    rounds = 0

    def every_third(check: Check) -> Measurement:
        nonlocal rounds
        rounds += check.kind is CheckKind.SUCCESS_RATE
        return measuring.failing(check) if rounds % 3 else measuring.healthy(check)

    stage.meters.source = every_third
    stage.run(rollouts.ended, within=LONG)
    assert stage.weights == weights


# --- 9, 10, 18: webhooks


def test_a_migration_before_the_rollout_keeps_requests_away_not_pods() -> None:
    """Row 9: pre-rollout comes after the pods and before the traffic; a failure is a strike."""
    stage = Pasted(of_article("000-canary-db-check", target=MENDED)).initialize(workload(MENDED))
    stage.listeners.refusing.add("check-db-migration")
    stage.release_next()
    stage.run(lambda on: on.status.get("failedChecks") == 2, within=LONG)
    assert rollouts.replicas(stage, "podinfo") == 1
    assert stage.weights == [0]
    assert "Halt podinfo.test advancement pre-rollout check check-db-migration failed refused" in (
        stage.told()
    )
    stage.listeners.refusing.clear()
    at_weight(stage, 10)


def test_a_migration_that_keeps_pods_from_starting_is_a_confirmation() -> None:
    """Row 9: what the article wants of its gate, by the type that does it."""
    manifest = of_article("000-canary-db-check", target=MENDED)
    manifest["spec"]["analysis"]["webhooks"][-1]["type"] = "confirm-rollout"
    stage = Pasted(manifest).initialize(workload(MENDED))
    stage.listeners.refusing.add("check-db-migration")
    phase(stage.release_next(), "Waiting")
    stage.wait(timedelta(minutes=5))
    assert rollouts.replicas(stage, "podinfo") == 0
    assert stage.status["failedChecks"] == 0
    stage.listeners.refusing.clear()
    at_weight(stage, 10)


def test_slack_is_told_every_event_in_a_body_that_it_takes() -> None:
    """Row 10: an incoming webhook of Slack as event hook; the channel of the article is a field."""
    stage = Pasted(of_article("000-canary", target=MENDED)).initialize(workload(MENDED))
    stage.release_next()
    at_weight(stage, 10)
    posted = [call for call in stage.listeners.posted if call.name == "slack-notification"]
    assert {call.url for call in posted} == {"https://hooks.slack.com/services/YOUR/SLACK/WEBHOOK"}
    assert [call.body["attachments"][0]["text"] for call in posted] == stage.texts()
    assert posted[0].body["attachments"][0]["color"] == "danger"  # a hint, as a Warning event
    assert posted[-1].body == {
        "username": "flagger",
        "icon_emoji": ":rocket:",
        "attachments": [
            {
                "color": "good",
                "author_name": "podinfo.test",
                "text": "Advance podinfo.test canary weight 10",
                "mrkdwn_in": ["text"],
                "fields": [{"title": "channel", "value": "#releases", "short": False}],
            }
        ],
    }


def test_a_load_tester_gets_the_commands_of_the_manifest() -> None:
    """Row 18: whoever listens there is posted Flagger's payload, `type` and `cmd` as written."""
    stage = at_weight(Pasted(of_article("003-canary")).initialize().release_next(), 30)
    smoke, *load = stage.listeners.posted
    assert (smoke.name, smoke.url) == ("acceptance-test", "http://flagger-loadtester.test/")
    assert smoke.timeout == timedelta(seconds=30)
    assert {key: smoke.body[key] for key in smoke.body if key != "checksum"} == {
        "name": "podinfo",
        "namespace": "test",
        "phase": "Progressing",
        "metadata": {
            "type": "bash",
            "cmd": "curl -sd 'test' http://podinfo-canary:9898/token | grep token",
        },
    }
    assert {(call.name, call.url, call.timeout) for call in load} == {
        ("load-test", "http://flagger-loadtester.test/", timedelta(seconds=5))
    }
    assert {str(call.body["metadata"]) for call in load} == {
        str({"cmd": "hey -z 1m -q 10 -c 2 http://podinfo-canary.test:9898/"})
    }
    assert len(load) == len(stage.meters.asked)


# --- 11 to 13: checks and steps


@pytest.mark.parametrize(
    ("policy", "ends"), [(None, "Failed"), ("hold", "Progressing"), ("pass", "Succeeded")]
)
def test_without_metrics_a_rollout_hangs_only_where_it_is_asked_to(
    policy: str | None, ends: str
) -> None:
    """Row 11: no data is a failed check, and said to be no data; the policy is the user's."""
    manifest = of_article("002-canary")
    for metric in manifest["spec"]["analysis"]["metrics"] if policy else ():
        metric["onNoData"] = policy
    stage = Pasted(manifest).initialize()
    stage.meters.source = lambda _: Absent(Verdict.NO_DATA, Reason.NO_VALUES, "no values found")
    stage.release_next()
    stage.wait(timedelta(minutes=10))
    assert stage.phase() == ends
    assert stage.weights[1] == 10
    assert stage.status["failedChecks"] == 0
    none = (
        "Halt advancement no values found for istio metric request-success-rate probably "
        "backend-service.prod is not receiving traffic: running query failed: no values found"
    )
    assert (none in stage.told()) is (policy != "pass")


def test_there_is_one_more_deployment_and_the_first_step_is_the_step() -> None:
    """Row 12: the target is the canary; nothing is called `-canary`, and no weight is 5."""
    stage = Pasted(of_article("002-canary")).initialize().release_next()
    at_weight(stage, 10)
    names = {each["metadata"]["name"] for each in stage.kube.list(resources.DEPLOYMENTS).items}
    assert names == {"backend-service", "backend-service-primary"}
    stage.finish()
    assert stage.weights == [0, 10, 20, 30, 40, 50, 0]
    assert stage.phase() == "Succeeded"


def test_the_interval_of_a_metric_is_the_window_of_its_query() -> None:
    """Row 13: asked once per analysis interval, about the last minute and the last 30 seconds."""
    stage = at_weight(Pasted(of_article("003-canary")).initialize().release_next(), 10)
    stage.wait(timedelta(minutes=2, seconds=5))
    rounds = stage.meters.asked
    assert len(rounds) == 2
    for checks in rounds:
        assert {check.metric: "[1m]" in check.query for check in checks} == {
            "request-success-rate": True,
            "request-duration": False,
        }
        assert "[30s]" in checks[1].query


# --- 14 to 17: older and ignored fields


class Backend(NamedTuple):
    """The canary of article 001 after a release: objects that Git holds, and what was logged."""

    stage: Pasted
    held: Mapping[Resource, Raw]
    logged: Sequence[logging.LogRecord]


class Keeping(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one more."""
        self.records.append(record)


HELD: Final = (
    resources.DEPLOYMENTS,
    resources.HORIZONTAL_POD_AUTOSCALERS,
    resources.CANARIES,
)


@pytest.fixture(scope="module")
def backend() -> Backend:
    """One rollout for all that is said of it; nobody changes it."""
    handler, analyst = Keeping(), logging.getLogger("tasks.analyst")
    stage = Pasted(of_article("001-backend")).paste()
    held = {resource: in_git(stage, resource) for resource in HELD}
    phase(stage, "Initialized")
    level = analyst.level
    analyst.addHandler(handler)
    analyst.setLevel(logging.INFO)
    stage.release_next().finish()
    analyst.removeHandler(handler)
    analyst.setLevel(level)
    return Backend(stage, held, handler.records)


def in_git(stage: Pasted, resource: Resource) -> Raw:
    """What Git holds of an object of that canary."""
    raw = stage.kube.get(resource, "prod", "backend")
    kept = ("name", "namespace", "labels", "annotations")
    metadata = {key: raw["metadata"][key] for key in kept if raw["metadata"].get(key)}
    return {"metadata": metadata, "spec": raw["spec"]}


def test_an_older_analysis_key_is_carried_out_and_said_to_be_deprecated(backend: Backend) -> None:
    """Rows 14 and 21: events as the article prints them, under the older key."""
    deprecated = said(backend.stage)
    assert deprecated["spec.canaryAnalysis"] == (
        "an object: is deprecated; it is used only when spec.analysis is absent "
        "(allowed: spec.analysis)"
    )
    assert set(deprecated) == {
        "spec.canaryAnalysis",
        "spec.analysis.metrics[0].threshold",
        "spec.analysis.metrics[1].threshold",
    }
    assert backend.stage.told() == [
        "New revision detected! Scaling up backend.prod",
        "Starting canary analysis for backend.prod",
        *(f"Advance backend.prod canary weight {weight}" for weight in range(5, 55, 5)),
        "Copying backend.prod template spec to backend-primary.prod",
        "Routing all traffic to primary",
        "Promotion completed! Scaling down backend.prod",
    ]


def test_an_autoscaler_of_a_removed_version_is_acted_on_in_the_present_one(
    backend: Backend,
) -> None:
    """Row 15: the reference says `autoscaling/v2beta1`, which no API server has any more."""
    kind = resources.HORIZONTAL_POD_AUTOSCALERS
    twin = backend.stage.kube.get(kind, "prod", "backend-primary")
    source = backend.held[kind]["spec"]
    assert twin["apiVersion"] == "autoscaling/v2"
    reference = {**source["scaleTargetRef"], "name": "backend-primary"}
    assert twin["spec"] == {**source, "scaleTargetRef": reference}


def in_lower_case() -> Raw:
    """The A/B test of article 001 with the key that its page spoilt."""
    manifest = of_article("001-ab-testing")
    analysis = manifest["spec"]["canaryAnalysis"]
    analysis["match"] = analysis.pop("Match")
    return manifest


def test_an_expression_that_no_mesh_knows_is_refused_where_it_is_written() -> None:
    """Row 14: look-around, which proxies have not had since they compare by RE2."""
    stage = Pasted(in_lower_case()).paste()
    stage.settle()
    accepted = stage.condition("Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert accepted["message"] == (
        "spec.canaryAnalysis.match[0].headers.User-agent.regex: "
        '"^(?!.*Chrome)(?=.*\\bSafari\\b).*$": RE2 has no (?! at character 2 '
        "(allowed: an RE2 expression, without look-around and back-references)"
    )


def test_an_ab_test_under_the_older_key_iterates() -> None:
    """Row 14: with an expression that meshes know, twelve iterations for those who match."""
    manifest = in_lower_case()
    safari = {"regex": "^.*Version/[0-9.]+ Safari.*$"}
    manifest["spec"]["canaryAnalysis"]["match"][0]["headers"]["User-agent"] = safari
    stage = Pasted(manifest).initialize().release_next()
    stage.run(lambda on: on.status.get("iterations") == 3, within=LONG)
    assert stage.rules() == http("""
        - match:
          - headers: {User-agent: {regex: "^.*Version/[0-9.]+ Safari.*$"}}
          - headers: {Cookie: {regex: "^(.*?;)?(type=insider)(;.*)?$"}}
          route:
          - {destination: {host: frontend-primary}, weight: 0}
          - {destination: {host: frontend-canary}, weight: 100}
        - route:
          - {destination: {host: frontend-primary}, weight: 0}
    """)
    stage.finish()
    assert [text for text in stage.told() if "iteration" in text] == [
        f"Advance frontend.prod canary iteration {number}/12" for number in range(1, 13)
    ]
    assert stage.phase() == "Succeeded"


def test_the_older_name_of_istio_is_accepted_from_operators_too() -> None:
    """Row 16: `meshProvider=smi:istio`, as the article installs it, with a condition."""
    settings = Settings.from_environ({"COALMINE_MESH_PROVIDER": "smi:istio"})
    stage = Pasted(of_article("004-canary"), settings=settings).initialize()
    assert said(stage) == {
        "spec.provider": (
            '"smi:istio": the controller\'s default, is read as an alias (allowed: istio)'
        )
    }
    at_weight(stage.release_next(), 10)


# --- 20 to 23: operations


def test_what_gitops_tools_are_told_to_ignore_is_what_changes() -> None:
    """Row 20: the snippets for Flux and Argo CD, as they are documented."""
    (rule,) = fences.setting("docs/gitops.md", "driftDetection")["ignore"]
    assert rule == {"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}
    ignored = fences.setting("docs/gitops.md", "ignoreDifferences")
    assert {each["kind"]: each["jsonPointers"] for each in ignored} == {
        "Deployment": ["/spec/replicas"],
        "DaemonSet": ["/spec/template/spec/nodeSelector"],
    }


def test_nothing_that_git_holds_is_rewritten_but_replicas(backend: Backend) -> None:
    """Row 20: Deployment, autoscaler and Canary before and after; the rest is generated."""
    after = {resource: in_git(backend.stage, resource) for resource in HELD}
    held, live = (each[resources.DEPLOYMENTS]["spec"] for each in (backend.held, after))
    assert (held["replicas"], live["replicas"]) == (2, 0)
    assert live["template"]["spec"]["containers"][0]["image"] == "app:2"  # the release itself
    template = held["template"]
    after[resources.DEPLOYMENTS]["spec"] = {**live, "replicas": 2, "template": template}
    assert after == backend.held


GENERATED: Final = {
    "deployment.apps/frontend-primary",
    "horizontalpodautoscaler.autoscaling/frontend-primary",
    "service/frontend",
    "service/frontend-canary",
    "service/frontend-primary",
    "virtualservice.networking.istio.io/frontend",
}


def test_what_is_generated_is_what_the_article_lists() -> None:
    """Row 20: and a DestinationRule for each side, which Flagger has had since."""
    manifest = in_lower_case()
    del manifest["spec"]["canaryAnalysis"]["match"]
    stage = Pasted(manifest).paste()

    def present() -> set[str]:
        return {
            f"{each['kind'].lower()}{group and '.' + group}/{each['metadata']['name']}"
            for (group, _), resource in pasted.RESOURCES.items()
            for each in stage.kube.list(resource, "prod").items
        }

    applied = present()
    phase(stage, "Initialized")
    assert present() - applied == GENERATED | {
        f"destinationrule.networking.istio.io/frontend-{side}" for side in ("primary", "canary")
    }


def test_the_log_has_the_events_under_msg(backend: Backend) -> None:
    """Row 21: `jq .msg` shows a rollout in the texts of its events."""
    line = JsonFormatter()
    logged = [json.loads(line.format(record)) for record in backend.logged]
    assert {each["canary"] for each in logged} == {"backend.prod"}
    assert [each["msg"] for each in logged] == backend.stage.told()


@pytest.mark.parametrize("provider", ["nginx", "appmesh", "linkerd"])
def test_another_provider_is_refused_by_name(provider: str) -> None:
    """Row 23: later work; until then the condition names the providers there are."""
    manifest = of_article("002-canary")
    manifest["spec"]["provider"] = provider
    stage = Pasted(manifest).paste()
    stage.settle()
    accepted = stage.condition("Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "NotCarriedOut")
    assert accepted["message"] == (
        f'spec.provider: "{provider}": is not carried out by this version; '
        "carried out: istio, knative, kubernetes"
    )


# --- the rest of article 003


def test_copies_go_to_the_canary_while_it_iterates() -> None:
    """Article 003, Traffic Mirroring: a share of 100 % of the requests, answered by the primary."""
    stage = Pasted(of_article("003-mirroring")).initialize().release_next()
    stage.run(lambda on: on.status.get("iterations") == 1, within=LONG)
    (rule,) = stage.rules()
    assert rule["mirror"] == {"host": "podinfo-canary"}
    assert rule["mirrorPercentage"] == {"value": 100}
    assert [entry["weight"] for entry in rule["route"]] == [100, 0]


def test_a_cookie_keeps_users_at_the_canary_for_six_hours() -> None:
    """Article 003, Session Affinity: as written, and taken back after the rollout."""
    stage = Pasted(of_article("003-session-affinity")).initialize().release_next()
    at_weight(stage, 10)
    *_, weighted = stage.rules()
    given = weighted["route"][1]["headers"]["response"]["add"]["Set-Cookie"]
    assert given.startswith("flagger-cookie=")
    assert given.endswith("; Max-Age=21600")
    stage.finish()
    assert stage.split is not None
    assert replace(stage.split, affinity=None) == ALL_TO_PRIMARY
    assert stage.rules()[0]["headers"]["response"]["add"]["Set-Cookie"].endswith("; Max-Age=-1")
