"""Manifests with one thing wrong each: what the refusal names, and what it says is allowed."""

from collections.abc import Mapping
from typing import Any, Final

from tests.unit.config.manifests import Raw, a_manifest, an_analysis

KNATIVE = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "thumbs"}
HPA = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "cart"}


def with_analysis(**fields: Any) -> Raw:
    """A manifest with these fields of the analysis."""
    return a_manifest(analysis=an_analysis(**fields))


def with_metric(**fields: Any) -> Raw:
    """A manifest with one metric of these fields."""
    return with_analysis(metrics=[{"name": "request-success-rate", **fields}])


def with_hook(**fields: Any) -> Raw:
    """A manifest with one webhook of these fields."""
    return with_analysis(webhooks=[{"name": "load", "url": "http://probe.shop/", **fields}])


def with_service(**fields: Any) -> Raw:
    """A manifest with these fields of the service."""
    return a_manifest(service={"port": 80, **fields})


def with_target(**fields: Any) -> Raw:
    """A manifest with these fields of the target."""
    return a_manifest(
        targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", **fields}
    )


#: What is wrong -> (manifest, field named, part of what is said to be allowed).
REFUSED: Final[Mapping[str, tuple[Raw, str, str]]] = {
    # types
    "a fraction as step": (
        with_analysis(stepWeight=2.5),
        "spec.analysis.stepWeight",
        "whole number",
    ),
    "a text as port": (with_service(port="80"), "spec.service.port", "whole number"),
    "a text as switch": (a_manifest(suspend="yes"), "spec.suspend", "true or false"),
    "a text as list": (with_service(hosts="shop"), "spec.service.hosts", "a list"),
    "a list as object": (a_manifest(service=[]), "spec.service", "an object"),
    "a number as map value": (
        with_hook(metadata={"a": 1}),
        "spec.analysis.webhooks[0].metadata.a",
        "text",
    ),
    "a number under an odd key": (
        with_service(apex={"labels": {"app.kubernetes.io/x": 1}}),
        'spec.service.apex.labels["app.kubernetes.io/x"]',
        "a text",
    ),
    "no name": (with_metric(name=None), "spec.analysis.metrics[0].name", "a value"),
    # the strategy: D-19
    "a step of 0": (with_analysis(stepWeight=0), "spec.analysis.stepWeight", "from 1 to 100"),
    "a negative step": (with_analysis(stepWeight=-5), "spec.analysis.stepWeight", "from 1 to 100"),
    "a step above 100": (
        with_analysis(stepWeight=101),
        "spec.analysis.stepWeight",
        "from 1 to 100",
    ),
    "no iterations": (
        with_analysis(stepWeight=None, iterations=0),
        "spec.analysis.iterations",
        "from 1",
    ),
    "two strategies": (
        with_analysis(iterations=3),
        "spec.analysis",
        "exactly one of iterations, stepWeight, stepWeights",
    ),
    "two strategies, one of them 0": (with_analysis(iterations=0), "spec.analysis", "exactly one"),
    "no strategy": (with_analysis(stepWeight=None), "spec.analysis", "exactly one"),
    "an empty list of steps": (
        with_analysis(stepWeight=None, stepWeights=[]),
        "spec.analysis.stepWeights",
        "increasing",
    ),
    "a repeated step": (
        with_analysis(stepWeight=None, stepWeights=[10, 20, 20]),
        "spec.analysis.stepWeights[2]",
        "increasing",
    ),
    "a falling list": (
        with_analysis(stepWeight=None, stepWeights=[20, 10]),
        "spec.analysis.stepWeights[1]",
        "increasing",
    ),
    "a step of 0 in a list": (
        with_analysis(stepWeight=None, stepWeights=[0, 10]),
        "spec.analysis.stepWeights[0]",
        "from 1 to 100",
    ),
    "a maximum above 100": (
        with_analysis(maxWeight=101),
        "spec.analysis.maxWeight",
        "from 0 to 100",
    ),
    "a negative maximum": (with_analysis(maxWeight=-1), "spec.analysis.maxWeight", "from 0 to 100"),
    "a readiness above 100": (
        with_analysis(canaryReadyThreshold=101),
        "spec.analysis.canaryReadyThreshold",
        "from 0 to 100",
    ),
    "a deadline of gates that is no duration": (
        with_analysis(gateDeadline="soon"),
        "spec.analysis.gateDeadline",
        "a Go duration",
    ),
    "a rollout of no length": (
        with_analysis(maxDuration="0s"),
        "spec.analysis.maxDuration",
        "more than 0",
    ),
    "a step of a negative length": (
        with_analysis(stepDurations=["1m", "-1m"]),
        "spec.analysis.stepDurations[1]",
        "more than 0",
    ),
    "an unknown way to count": (
        with_analysis(thresholdMode="sometimes"),
        "spec.analysis.thresholdMode",
        "cumulative or consecutive",
    ),
    "equal cookies": (
        with_analysis(sessionAffinity={"cookieName": "c", "primaryCookieName": "c"}),
        "spec.analysis.sessionAffinity.primaryCookieName",
        "other than cookieName",
    ),
    "a cookie without a name": (
        with_analysis(sessionAffinity={"cookieName": ""}),
        "spec.analysis.sessionAffinity.cookieName",
        "the name of a cookie",
    ),
    "a cookie of two words": (
        with_analysis(sessionAffinity={"cookieName": "a b"}),
        "spec.analysis.sessionAffinity.cookieName",
        "letters, digits",
    ),
    "a primary cookie with a value": (
        with_analysis(sessionAffinity={"cookieName": "a", "primaryCookieName": "b=1"}),
        "spec.analysis.sessionAffinity.primaryCookieName",
        "letters, digits",
    ),
    "a second attribute in a path": (
        with_analysis(sessionAffinity={"cookieName": "a", "path": "/; Domain=evil"}),
        "spec.analysis.sessionAffinity.path",
        "without semicolon",
    ),
    "a line in a domain": (
        with_analysis(sessionAffinity={"cookieName": "a", "domain": "a\r\nX: y"}),
        "spec.analysis.sessionAffinity.domain",
        "printable ASCII",
    ),
    # requests
    "a match of nothing": (with_analysis(match=[]), "spec.analysis.match", "at least one"),
    "an empty condition": (
        with_analysis(match=[{"headers": {"x": {"exact": "1"}}}, {}]),
        "spec.analysis.match[1]",
        "headers, queryParams or sourceLabels",
    ),
    "a condition that Flagger prunes": (
        with_analysis(match=[{"uri": {"prefix": "/a"}}]),
        "spec.analysis.match[0].uri",
        "headers, queryParams or sourceLabels",
    ),
    "empty headers": (
        with_analysis(match=[{"headers": {}}]),
        "spec.analysis.match[0]",
        "headers, queryParams or sourceLabels",
    ),
    "a query parameter that is compared with nothing": (
        with_analysis(match=[{"queryParams": {"q": {}}}]),
        "spec.analysis.match[0].queryParams.q",
        "exactly one of exact, prefix or regex",
    ),
    "a negative share of copies": (
        with_analysis(mirror=True, mirrorWeight=-1),
        "spec.analysis.mirrorWeight",
        "from 0 to 100",
    ),
    # times, as in D-93
    "no interval": (with_analysis(interval=None), "spec.analysis.interval", "duration"),
    "no threshold": (with_analysis(threshold=None), "spec.analysis.threshold", "whole number"),
    "minutes as a word": (with_analysis(interval="5minutes"), "spec.analysis.interval", "1m30s"),
    "a negative interval": (with_analysis(interval="-1m"), "spec.analysis.interval", "duration"),
    "an empty window": (
        with_metric(interval="0s"),
        "spec.analysis.metrics[0].interval",
        "more than 0",
    ),
    "a window without unit": (
        with_metric(interval="60"),
        "spec.analysis.metrics[0].interval",
        "1m30s",
    ),
    "a time limit in words": (
        with_hook(timeout="10sec"),
        "spec.analysis.webhooks[0].timeout",
        "1m30s",
    ),
    "no deadline at all": (
        a_manifest(progressDeadlineSeconds=0),
        "spec.progressDeadlineSeconds",
        "from 1",
    ),
    # references and names: D-94 and D-79
    "an unknown provider": (a_manifest(provider="istioo"), "spec.provider", "gatewayapi:v1beta1"),
    "an unknown target kind": (
        with_target(kind="StatefulSet"),
        "spec.targetRef.kind",
        "Deployment, DaemonSet or Service",
    ),
    "an unknown autoscaler kind": (
        a_manifest(autoscalerRef={**HPA, "kind": "VerticalPodAutoscaler"}),
        "spec.autoscalerRef.kind",
        "HorizontalPodAutoscaler or ScaledObject",
    ),
    "a nameless target": (with_target(name=""), "spec.targetRef.name", "workload you deploy"),
    "a target too long for its primary": (
        with_target(name="a" * 56),
        "spec.targetRef.name",
        "at most 55 characters",
    ),
    "a service too long for its primary": (
        with_service(name="a" * 56),
        "spec.service.name",
        "at most 55 characters",
    ),
    "a Knative target elsewhere": (
        a_manifest(targetRef=KNATIVE, provider="istio"),
        "spec.provider",
        "knative",
    ),
    "a Knative target by default": (a_manifest(targetRef=KNATIVE), "spec.provider", "knative"),
    "another target with Knative": (a_manifest(provider="knative"), "spec.targetRef", "serving"),
    "an autoscaler with Knative": (
        a_manifest(provider="knative", targetRef=KNATIVE, autoscalerRef=HPA),
        "spec.autoscalerRef",
        "no value",
    ),
    "an autoscaler with a DaemonSet": (
        a_manifest(
            targetRef={"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "cart"},
            autoscalerRef=HPA,
        ),
        "spec.autoscalerRef",
        "no value",
    ),
    "bounds that leave no replicas": (
        a_manifest(
            autoscalerRef={
                **HPA,
                "primaryScalerReplicas": {"minReplicas": 5, "maxReplicas": 2},
            }
        ),
        "spec.autoscalerRef.primaryScalerReplicas",
        "min not more than max",
    ),
    "a bare host as metrics server": (
        a_manifest(metricsServer="prometheus:9090"),
        "spec.metricsServer",
        "http://",
    ),
    # service
    "no port": (a_manifest(service={"name": "cart"}), "spec.service.port", "1 to 65535"),
    "no service": (a_manifest(service=None), "spec.service.port", "1 to 65535"),
    "a port of 0": (with_service(port=0), "spec.service.port", "1 to 65535"),
    "a port too high": (with_service(port=65536), "spec.service.port", "1 to 65535"),
    "a target port too high": (with_service(targetPort=65536), "spec.service.targetPort", "65535"),
    "delegation with hosts": (
        with_service(delegation=True, hosts=["shop.example"]),
        "spec.service.hosts",
        "delegation",
    ),
    "delegation with gateways": (
        with_service(delegation=True, gateways=["infra/public"]),
        "spec.service.gateways",
        "delegation",
    ),
    "two comparisons": (
        with_service(match=[{"headers": {"x": {"exact": "a", "suffix": "b"}}}]),
        "spec.service.match[0].headers.x",
        "at most one",
    ),
    "look-around in a comparison": (
        with_service(match=[{"uri": {"regex": "/(?!admin).*"}}]),
        "spec.service.match[0].uri.regex",
        "RE2",
    ),
    "a back-reference in a choice": (
        with_analysis(match=[{"queryParams": {"q": {"regex": "(a|b)\\1"}}}]),
        "spec.analysis.match[0].queryParams.q.regex",
        "RE2",
    ),
    "look-around for users beside weights": (
        with_analysis(a_b_test=[{"header": {"name": "x", "value": {"regex": "(?<=a)b"}}}]),
        "spec.analysis.a_b_test[0].header.value.regex",
        "RE2",
    ),
    "look-around in an origin": (
        with_service(corsPolicy={"allowOrigins": [{"regex": "(?=a).*"}]}),
        "spec.service.corsPolicy.allowOrigins[0].regex",
        "RE2",
    ),
    "no comparison in an A/B header": (
        with_analysis(match=[{"headers": {"x": {}}}]),
        "spec.analysis.match[0].headers.x",
        "exactly one",
    ),
    "no comparison in a_b_test": (
        with_analysis(a_b_test=[{"header": {"name": "x", "value": {}}}]),
        "spec.analysis.a_b_test[0].header.value",
        "exactly one",
    ),
    "an origin without comparison": (
        with_service(corsPolicy={"allowOrigins": [{}]}),
        "spec.service.corsPolicy.allowOrigins[0]",
        "exactly one",
    ),
    "a load balancer of no kind": (
        with_service(trafficPolicy={"loadBalancer": {}}),
        "spec.service.trafficPolicy.loadBalancer",
        "simple, consistentHash",
    ),
    "a hash of nothing": (
        with_service(trafficPolicy={"loadBalancer": {"consistentHash": {"minimumRingSize": 5}}}),
        "spec.service.trafficPolicy.loadBalancer.consistentHash",
        "exactly one",
    ),
    # checks
    "nothing to measure": (
        with_metric(name="error-rate"),
        "spec.analysis.metrics[0]",
        "request-success-rate or request-duration",
    ),
    "bounds no value can meet": (
        with_metric(thresholdRange={"min": 99, "max": 1}),
        "spec.analysis.metrics[0].thresholdRange",
        "min not more than max",
    ),
    "an unknown policy": (
        with_metric(onNoData="shrug"),
        "spec.analysis.metrics[0].onNoData",
        "hold",
    ),
    "an unknown hook type": (
        with_hook(type="later"),
        "spec.analysis.webhooks[0].type",
        "pre-rollout",
    ),
    "a hook without scheme": (
        with_hook(url="probe.shop/x"),
        "spec.analysis.webhooks[0].url",
        "http",
    ),
    "a hook of another scheme": (
        with_hook(url="ftp://x/"),
        "spec.analysis.webhooks[0].url",
        "http",
    ),
    "a hook without host": (with_hook(url="http:///x"), "spec.analysis.webhooks[0].url", "http"),
    "a hook of brackets": (with_hook(url="http://[x"), "spec.analysis.webhooks[0].url", "http"),
    "a hook at a bad port": (
        with_hook(url="http://x:99999/"),
        "spec.analysis.webhooks[0].url",
        "http",
    ),
    "negative retries": (with_hook(retries=-1), "spec.analysis.webhooks[0].retries", "from 0"),
    "an unknown severity": (
        with_analysis(alerts=[{"name": "a", "severity": "loud", "providerRef": {"name": "x"}}]),
        "spec.analysis.alerts[0].severity",
        "info, warn or error",
    ),
    # the object
    "another version": (
        {**a_manifest(), "apiVersion": "flagger.app/v1alpha3"},
        "apiVersion",
        "flagger.app/v1beta1",
    ),
    "another kind": ({**a_manifest(), "kind": "Rollout"}, "kind", "Canary"),
    "no analysis": (a_manifest(analysis=None), "spec.analysis", "skipAnalysis"),
    "no spec": ({**a_manifest(), "spec": None}, "spec", "a value"),
}
