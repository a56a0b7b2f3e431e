"""The chart and the kustomizations: one installation in two forms.

Real: helm, kubectl's kustomize. Not tested: what an API server says to the objects, and processes
that run as they say (tests/system/test_installed.py).
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cli.console import accounts
from config import roles
from tests.services import manifests
from tests.services.manifests import CHART, DEPLOY, NAMESPACE, Manifest, RenderingError

REDIS = {"redis": {"url": "redis://redis:6379/0"}}


@dataclass(frozen=True)
class Form:
    """An installation by kustomize, and the values by which the chart renders the same.

    `components` and `transformers` are folders below deploy/, `settings` those that a user adds.
    """

    overlay: str
    components: Sequence[str] = ()
    transformers: Sequence[str] = ()
    settings: Sequence[str] = ()
    file: str = ""
    """Of the folder ci of the chart; that of the overlay by default."""
    values: Mapping[str, Any] = field(default_factory=dict)

    def kustomized(self, folder: Path) -> list[Manifest]:
        """By a kustomization in `folder`, as a user would write it."""
        root = os.path.relpath(DEPLOY, folder)
        settings = {
            "name": "coalmine-settings",
            "namespace": NAMESPACE,
            "behavior": "merge",
            "literals": list(self.settings),
        }
        kustomization = {
            "resources": [f"{root}/kustomize/overlays/{self.overlay}"],
            "components": [f"{root}/{name}" for name in self.components],
            "transformers": [f"{root}/{name}" for name in self.transformers],
            "configMapGenerator": [settings] if self.settings else [],
        }
        (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
        return manifests.kustomize(folder)

    def by_helm(self) -> list[Manifest]:
        """By the chart."""
        file = CHART / "ci" / f"{self.file or self.overlay}-values.yaml"
        return manifests.helm(file=file, values=self.values)


NAMESPACED = Form(
    "istio",
    transformers=["kustomize/namespaced"],
    settings=["COALMINE_NAMESPACE=shop"],
    values={"namespace": "shop"},
)
FORMS = {
    "kubernetes": Form("kubernetes"),
    "all": Form(
        "istio",
        [
            *(
                f"kustomize/components/{name}"
                for name in ("network-policy", "pod-monitor", "keda", "flower")
            ),
            *("prometheus", "grafana"),
        ],
        file="all",
    ),
    "compact": Form(
        "dev",
        [f"kustomize/components/{name}" for name in ("network-policy", "pod-monitor", "flower")],
        values={
            "networkPolicy": {"enabled": True},
            "podMonitor": {"enabled": True},
            "flower": {"enabled": True, "existingSecret": "coalmine-flower"},
        },
    ),
    "hpa": Form("istio", ["kustomize/components/hpa"], values={"hpa": {"enabled": True}}),
    "namespaced": NAMESPACED,
    "without watching secrets": Form(
        "istio",
        ["kustomize/components/without-watching-secrets"],
        values={"configTracking": {"watchSecrets": False}},
    ),
    "without configs": Form(
        "istio",
        ["kustomize/components/without-config-tracking"],
        values={"configTracking": {"enabled": False}},
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_helm_and_kustomize_render_the_same_objects(form: Form, tmp_path: Path) -> None:
    """Object by object, with all their fields."""
    by_helm = manifests.comparable(form.by_helm())
    by_kustomize = manifests.comparable(form.kustomized(tmp_path))
    assert by_helm.keys() == by_kustomize.keys()
    for identity, made in by_helm.items():
        assert made == by_kustomize[identity], identity


def test_a_namespace_of_its_own_needs_no_right_beyond_it() -> None:
    """With `namespace` there are Roles where there were ClusterRoles, with the same rules."""
    everywhere = manifests.helm(values=REDIS)
    within = manifests.helm(values={**REDIS, "namespace": "shop"})
    assert not manifests.of_kind(within, "ClusterRole", "ClusterRoleBinding")
    rules = {each["metadata"]["name"]: each["rules"] for each in manifests.of_kind(within, "Role")}
    assert rules == {
        each["metadata"]["name"]: each["rules"]
        for each in manifests.of_kind(everywhere, "ClusterRole", "Role")
    }
    placed = {
        each["metadata"]["name"]: each["metadata"]["namespace"]
        for each in manifests.of_kind(within, "Role", "RoleBinding")
    }
    assert placed.pop("coalmine-console") == NAMESPACE
    assert set(placed.values()) == {"shop"}
    assert {each["roleRef"]["kind"] for each in manifests.of_kind(within, "RoleBinding")} == {
        "Role"
    }


def test_a_namespace_that_is_not_named_is_refused(tmp_path: Path) -> None:
    """Roles would be in none, or in that of the installation."""
    with pytest.raises(RenderingError, match="COALMINE_NAMESPACE` is missing"):
        replace(NAMESPACED, settings=()).kustomized(tmp_path)


def test_without_config_tracking_nobody_may_list_or_write_secrets() -> None:
    """What is left are credentials of templates and receivers, one by one and by name."""
    rendered = manifests.helm(values={**REDIS, "configTracking": {"enabled": False}})
    verbs = {
        (role["metadata"]["name"], verb)
        for role in manifests.of_kind(rendered, "ClusterRole", "Role")
        for rule in role["rules"]
        if {"secrets", "configmaps", "*"} & set(rule["resources"])
        for verb in rule["verbs"]
    }
    assert verbs == {("coalmine-analysis", "get"), ("coalmine-report", "get")}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"nameOverride": "birds"}, {f"coalmine-birds-{role}" for role in roles.ALL}),
        ({"fullnameOverride": "birds", "compact": True}, {"birds"}),
    ],
)
def test_the_console_finds_the_pods_of_a_release_by_any_name(
    values: dict[str, Any], named: set[str]
) -> None:
    """By the label and the name of the port that it looks for; nothing else has that label."""
    rendered = manifests.helm(values={**values, "valkey": {"install": True}})
    key, _, value = accounts.LABEL.partition("=")
    found = {
        each["metadata"]["name"]: {
            port["name"]
            for container in each["spec"]["template"]["spec"]["containers"]
            for port in container["ports"]
        }
        for each in manifests.of_kind(rendered, "Deployment", "StatefulSet")
        if each["spec"]["template"]["metadata"]["labels"].get(key) == value
    }
    assert found.keys() == named
    assert all(accounts.PORT_NAME in ports for ports in found.values())


#: Flagger's own values where they mean nothing: what people have in their files.
OF_FLAGGER: dict[str, Any] = {
    "meshProvider": "istio",
    "metricsServer": "http://prometheus.istio-system:9090",
    "threadiness": "",
    "prometheus": {"install": False, "image": "docker.io/prom/prometheus:v2.41.0"},
    "ingressClass": "",
    "ingressAnnotationsPrefix": "",
    "controlplane": {"kubeconfig": {"secretName": "", "key": "kubeconfig"}},
    "linkerdAuthPolicy": {"create": False, "namespace": "linkerd-viz"},
    "rbac": {"create": True, "pspEnabled": False},
    "leaderElection": {"enabled": True, "replicaCount": 2},
    "podDisruptionBudget": {"enabled": False, "minAvailable": 1},
    "podMonitor": {"enabled": False, "namespace": None, "interval": "15s"},
    "slack": {"user": "flagger", "channel": "", "url": ""},
    "msteams": {"url": "", "proxyUrl": ""},
}


def test_values_of_flagger_that_ask_for_nothing_are_no_obstacle() -> None:
    """A file of Flagger's values can be taken over."""
    assert manifests.helm(values={**OF_FLAGGER, **REDIS})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"threadiness": 4}, "roles.analysis.replicas"),
        ({"prometheus": {"install": True}}, "install Prometheus by its own chart"),
        ({"ingressClass": "nginx"}, "no ingress providers yet"),
        ({"controlplane": {"kubeconfig": {"secretName": "remote"}}}, "cluster of the canaries"),
        ({"linkerdAuthPolicy": {"create": True}}, "no provider for Linkerd"),
        ({"rbac": {"pspEnabled": True}}, "PodSecurityPolicies are gone"),
        ({"leaderElection": {"enabled": False}}, "leaderElection.replicaCount to 1"),
        ({"redis": {"url": ""}}, "rollout state lives in Redis or Valkey"),
        ({"existingSecret": "mine"}, "allowed without redis.url"),
        (
            {"existingSecret": "mine", "redis": {"url": ""}, "slack": {"url": "https://hooks"}},
            "slack.url",
        ),
        ({"slack": {"proxy": "http://proxy"}}, "proxy"),
        ({"compact": True, "keda": {"enabled": True}}, "allowed without compact"),
        ({"compact": True, "hpa": {"enabled": True}}, "allowed without compact"),
        ({"keda": {"enabled": True}, "hpa": {"enabled": True}}, "one of the two"),
        ({"flower": {"enabled": True}}, "FLOWER_BASIC_AUTH"),
        ({"meshProvider": "linkerd"}, "meshProvider"),
        ({"metricServer": "http://prometheus:9090"}, "metricServer"),
        (
            {"settings": {"COALMINE_TICK_LEESE": "8s"}},
            "settings.COALMINE_TICK_LEESE: no setting of that name, .* COALMINE_TICK_LEASE[,)]",
        ),
        (
            {"settings": {"COALMINE_METRICS_SERVER": "http://prometheus:9090"}},
            "settings.COALMINE_METRICS_SERVER: .* has a value of its own in values.yaml",
        ),
        ({"settings": {"COALMINE_REDIS_URL": "redis://x"}}, "COALMINE_REDIS_URL: .* secret"),
        ({"settings": "COALMINE_TICK_LEASE=8s"}, "/settings.*object"),
        ({"roles": {"analysis": {"replica": 3}}}, "replica"),
        ({"redis": {"url": "prometheus:9090"}}, "redis"),
    ],
)
def test_what_is_not_carried_out_is_refused_with_what_to_do(
    values: dict[str, Any], said: str
) -> None:
    """Nothing is rendered; the message names the value."""
    with pytest.raises(RenderingError, match=said):
        manifests.helm(values={**REDIS, **values})


def test_what_is_secret_is_in_the_secret_alone() -> None:
    """Whatever value it is given by, none of it is where ConfigMaps and arguments are read."""
    told = {
        "redis": {"url": "redis://:s3cret@redis:6379/0", "brokerUrl": "redis://:s3cret@broker/0"},
        "eventWebhook": "https://hooks/s3cret",
        "slack": {"url": "https://hooks/s3cret", "token": "s3cret", "channel": "ops"},
        "msteams": {"url": "https://teams/s3cret", "proxyUrl": "http://u:s3cret@proxy"},
        "alertmanager": {"url": "https://u:s3cret@alerts"},
    }
    rendered = manifests.helm(values=told)
    with_it = [each["kind"] for each in rendered if "s3cret" in json.dumps(each)]
    assert with_it == ["Secret"]
    [secret] = manifests.of_kind(rendered, "Secret")
    assert len(secret["stringData"]) == 8
    [settings] = manifests.of_kind(rendered, "ConfigMap")
    assert settings["data"]["COALMINE_SLACK_CHANNEL"] == "ops"


def test_helm_has_nothing_to_say_against_the_chart() -> None:
    """Its linter, with the schema, finds neither errors nor warnings."""
    assert "0 chart(s) failed" in manifests.lint(REDIS)
