"""What is written for each strategy, target, autoscaler and provider, field by field.

The manifests were written by hand from the reference (routing 3, 4 and 15; lifecycle 5, 16 and 18).
They are stored on the same server, beside ours, and compared as they are there: every field that
either has, and every object that there is. What differs from Flagger is in docs/compatibility.
Left to other files: who is asked how often (test_routing_apply, test_converge), whole rollouts on a
real API server (tests/system).
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pytest

from clients.documents.world import ContainerPort, WorkloadView
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import (
    ALL_TO_CANARY,
    ALL_TO_PRIMARY,
    Affinity,
    Aspect,
    Comparison,
    Criterion,
    Mirror,
    RouteStage,
    TrafficSplit,
)
from tests.contract.by_hand import Raw, Site
from tests.contract.conftest import Place

WEIGHTS: Final = {"interval": "1m", "threshold": 5, "stepWeight": 20, "maxWeight": 60}
ITERATIONS: Final = {"interval": "1m", "threshold": 5, "iterations": 3}
TARGET: Final = WorkloadView(
    name="shop", namespace="prod", replicas=2, revision="r", selector_label=("app", "shop")
)
IN_TIERS: Final = WorkloadView(
    name="shop",
    namespace="prod",
    replicas=2,
    revision="r",
    selector_label=("app", "shop"),
    shared_labels=(("tier", "front"),),
)


@pytest.fixture(params=["in_process", "on_apiserver"])
def where(request: pytest.FixtureRequest) -> Place:
    """The sandbox's API server and a real one."""
    place: Place = request.getfixturevalue(f"place_{request.param}")
    return place


def compare(site: Site, text: str) -> None:
    """Asserts that there are these manifests and no more, ours owned by the canary."""
    assert site.present() == site.stored(text)
    assert all(owners == site.owner for owners in site.owners())


def a_spec(
    kind: str = "Deployment",
    version: str = "apps/v1",
    *,
    provider: str = "istio",
    analysis: Mapping[str, Any] = WEIGHTS,
    service: Mapping[str, Any] | None = None,
    **more: Any,
) -> Raw:
    """The spec of a canary of `shop`."""
    ref = {"apiVersion": version, "kind": kind, "name": "shop"}
    ports = {} if provider == "knative" else {"service": {"port": 80, **(service or {})}}
    return {"provider": provider, "targetRef": ref, "analysis": dict(analysis), **ports, **more}


# --- Services and rules of each strategy on Istio

SIDES: Final = """
apiVersion: v1
kind: Service
metadata:
  name: shop-canary
  labels: {app: shop-canary}
  annotations:
    kustomize.toolkit.fluxcd.io/reconcile: disabled
    helm.toolkit.fluxcd.io/driftDetection: disabled
spec:
  type: ClusterIP
  selector: {app: shop}
  ports: [{name: http, protocol: TCP, port: 80, targetPort: 80}]
---
apiVersion: v1
kind: Service
metadata:
  name: shop-primary
  labels: {app: shop-primary}
  annotations:
    kustomize.toolkit.fluxcd.io/reconcile: disabled
    helm.toolkit.fluxcd.io/driftDetection: disabled
spec:
  type: ClusterIP
  selector: {app: shop-primary}
  ports: [{name: http, protocol: TCP, port: 80, targetPort: 80}]
"""
APEX: Final = """
---
apiVersion: v1
kind: Service
metadata:
  name: shop
  labels: {app: shop}
  annotations:
    kustomize.toolkit.fluxcd.io/reconcile: disabled
    helm.toolkit.fluxcd.io/driftDetection: disabled
spec:
  type: ClusterIP
  selector: {app: shop-primary}
  ports: [{name: http, protocol: TCP, port: 80, targetPort: 80}]
"""
HOSTS: Final = """
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: shop-canary}
spec: {host: shop-canary}
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: shop-primary}
spec: {host: shop-primary}
"""
ROUTE: Final = """
---
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata:
  name: shop
  annotations:
    kustomize.toolkit.fluxcd.io/reconcile: disabled
    helm.toolkit.fluxcd.io/driftDetection: disabled
spec:
  hosts: [shop]
  gateways: [mesh]
"""


class Case(NamedTuple):
    """A strategy at a moment: what its canary says, the split, and the rules of its route."""

    analysis: Mapping[str, Any]
    split: TrafficSplit
    rules: str


MATCH: Final = [{"headers": {"x-user-type": {"exact": "insider"}}}]
CHOSEN: Final = ((Criterion(Aspect.HEADER, "x-user-type", Comparison.EXACT, "insider"),),)
USERS: Final = [{"header": {"name": "x-user-type", "value": {"exact": "insider"}}}]
COOKIES: Final = {
    "cookieName": "shop-new",
    "primaryCookieName": "shop-old",
    "path": "/",
    "secure": True,
}
NEW, STABLE = "shop-new=QmZrTbLpWx", "shop-old=HdKwUyEcVa"

CASES: Final[Mapping[str, Case]] = {
    "weights, at rest": Case(
        WEIGHTS,
        ALL_TO_PRIMARY,
        """
  http:
  - route:
    - {destination: {host: shop-primary}, weight: 100}
    - {destination: {host: shop-canary}, weight: 0}
""",
    ),
    "weights, at 20": Case(
        WEIGHTS,
        TrafficSplit.of(20),
        """
  http:
  - route:
    - {destination: {host: shop-primary}, weight: 80}
    - {destination: {host: shop-canary}, weight: 20}
""",
    ),
    "a list of weights, at 1": Case(
        {"interval": "1m", "threshold": 5, "stepWeights": [1, 10, 50]},
        TrafficSplit.of(1),
        """
  http:
  - route:
    - {destination: {host: shop-primary}, weight: 99}
    - {destination: {host: shop-canary}, weight: 1}
""",
    ),
    "weights, the step of copies": Case(
        {**WEIGHTS, "mirror": True},
        TrafficSplit.of(0, mirror=Mirror()),
        """
  http:
  - route:
    - {destination: {host: shop-primary}, weight: 100}
    - {destination: {host: shop-canary}, weight: 0}
    mirror: {host: shop-canary}
""",
    ),
    "blue/green with copies": Case(
        {**ITERATIONS, "mirror": True, "mirrorWeight": 10},
        TrafficSplit.of(0, mirror=Mirror(10)),
        """
  http:
  - route:
    - {destination: {host: shop-primary}, weight: 100}
    - {destination: {host: shop-canary}, weight: 0}
    mirror: {host: shop-canary}
    mirrorPercentage: {value: 10}
""",
    ),
    "blue/green, after its iterations": Case(
        ITERATIONS,
        ALL_TO_CANARY,
        """
  http:
  - route:
    - {destination: {host: shop-primary}, weight: 0}
    - {destination: {host: shop-canary}, weight: 100}
""",
    ),
    "A/B testing, at rest": Case(
        {**ITERATIONS, "match": MATCH},
        ALL_TO_PRIMARY,
        """
  http:
  - match: [{headers: {x-user-type: {exact: insider}}}]
    route:
    - {destination: {host: shop-primary}, weight: 100}
    - {destination: {host: shop-canary}, weight: 0}
  - route:
    - {destination: {host: shop-primary}, weight: 100}
""",
    ),
    "A/B testing, during its iterations": Case(
        {**ITERATIONS, "match": MATCH},
        TrafficSplit(0, 100, match=CHOSEN),
        """
  http:
  - match: [{headers: {x-user-type: {exact: insider}}}]
    route:
    - {destination: {host: shop-primary}, weight: 0}
    - {destination: {host: shop-canary}, weight: 100}
  - route:
    - {destination: {host: shop-primary}, weight: 0}
""",
    ),
    "match with weights": Case(
        {**WEIGHTS, "match": MATCH},
        TrafficSplit(80, 20, match=CHOSEN),
        """
  http:
  - match: [{headers: {x-user-type: {exact: insider}}}]
    route:
    - {destination: {host: shop-primary}, weight: 80}
    - {destination: {host: shop-canary}, weight: 20}
  - route:
    - {destination: {host: shop-primary}, weight: 80}
""",
    ),
    "a_b_test beside weights": Case(
        {**WEIGHTS, "a_b_test": USERS},
        TrafficSplit(90, 10, pinned=CHOSEN),
        """
  http:
  - match: [{headers: {x-user-type: {exact: insider}}}]
    route:
    - {destination: {host: shop-canary}, weight: 100}
  - route:
    - {destination: {host: shop-primary}, weight: 90}
    - {destination: {host: shop-canary}, weight: 10}
""",
    ),
    # *here* cookies are recognised as a whole, and both have the attributes (D-87)
    "session affinity, at 20": Case(
        {**WEIGHTS, "sessionAffinity": COOKIES},
        TrafficSplit(80, 20, affinity=Affinity(NEW, STABLE)),
        r"""
  http:
  - match: [{headers: {Cookie: {regex: '(.*;\s*)?shop\-new=QmZrTbLpWx(;.*)?'}}}]
    route:
    - {destination: {host: shop-primary}, weight: 0}
    - {destination: {host: shop-canary}, weight: 100}
  - match: [{headers: {Cookie: {regex: '(.*;\s*)?shop\-old=HdKwUyEcVa(;.*)?'}}}]
    route:
    - {destination: {host: shop-primary}, weight: 100}
    - {destination: {host: shop-canary}, weight: 0}
  - route:
    - destination: {host: shop-primary}
      weight: 80
      headers:
        response: {add: {Set-Cookie: shop-old=HdKwUyEcVa; Max-Age=60; Path=/; Secure}}
    - destination: {host: shop-canary}
      weight: 20
      headers:
        response: {add: {Set-Cookie: shop-new=QmZrTbLpWx; Max-Age=86400; Path=/; Secure}}
""",
    ),
    "session affinity, after the rollout": Case(
        {**WEIGHTS, "sessionAffinity": {"cookieName": "shop-new"}},
        TrafficSplit(100, 0, affinity=Affinity(expired=NEW)),
        r"""
  http:
  - match: [{headers: {Cookie: {regex: '(.*;\s*)?shop\-new=QmZrTbLpWx(;.*)?'}}}]
    headers: {response: {add: {Set-Cookie: shop-new=QmZrTbLpWx; Max-Age=-1}}}
    route:
    - {destination: {host: shop-primary}, weight: 100}
    - {destination: {host: shop-canary}, weight: 0}
  - route:
    - {destination: {host: shop-primary}, weight: 100}
    - {destination: {host: shop-canary}, weight: 0}
""",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_strategy_on_istio_has_the_objects_of_the_reference(where: Place, case: Case) -> None:
    """Three Services, a DestinationRule per side and one VirtualService, whose rules it decides."""
    site = Site.at(where, "", a_spec(analysis=case.analysis))
    site.route(case.split, TARGET)
    compare(site, SIDES + APEX + HOSTS + ROUTE + case.rules)


FULL: Final = {
    "targetPort": 8080,
    "appProtocol": "http",
    "portDiscovery": True,
    "hosts": ["shop.example.com"],
    "gateways": ["istio-system/public-gateway", "mesh"],
    "match": [{"uri": {"prefix": "/"}}],
    "timeout": "30s",
    "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx"},
    "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
    "canary": {"labels": {"tier": "edge"}},
}
WITH_PORTS: Final = WorkloadView(
    name="shop",
    namespace="prod",
    replicas=2,
    revision="r",
    selector_label=("app", "shop"),
    ports=(ContainerPort("shop", 0, "web", 8080), ContainerPort("shop", 1, "metrics", 9797)),
)


def test_all_of_the_service_reaches_its_objects(where: Place) -> None:
    """The examples of routing 3 and 4 in one: discovered ports, hosts, a gateway, the rule."""
    site = Site.at(where, "", a_spec(service=FULL))
    site.route(ALL_TO_PRIMARY, WITH_PORTS)
    ports = """
  ports:
  - {name: http, protocol: TCP, port: 80, targetPort: 8080, appProtocol: http}
  - {name: metrics, protocol: TCP, port: 9797, targetPort: 9797}
"""
    policy = "trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"
    plain_ports = "\n  ports: [{name: http, protocol: TCP, port: 80, targetPort: 80}]\n"
    wanted = (SIDES + APEX + HOSTS + ROUTE).replace(plain_ports, ports)
    wanted = wanted.replace("labels: {app: shop-canary}", "labels: {app: shop-canary, tier: edge}")
    for side in ("primary", "canary"):
        host = f"host: shop-{side}"
        wanted = wanted.replace(f"{{{host}}}", f"{{{host}, {policy}}}")
    wanted = wanted.replace("hosts: [shop]", "hosts: [shop.example.com, shop]")
    wanted = wanted.replace("[mesh]", "[istio-system/public-gateway, mesh]")
    compare(
        site,
        f"""{wanted}
  http:
  - match: [{{uri: {{prefix: /}}}}]
    timeout: 30s
    retries: {{attempts: 3, perTryTimeout: 1s, retryOn: "5xx"}}
    route:
    - destination: {{host: shop-primary, port: {{number: 80}}}}
      weight: 100
    - destination: {{host: shop-canary, port: {{number: 80}}}}
      weight: 0
""",
    )


def test_connections_are_weighed_by_tcp_rules(where: Place) -> None:
    """One match per match of the service, of its port alone; `appProtocol` is on the ports."""
    service = {"appProtocol": "tcp", "match": [{"port": 9000}]}
    site = Site.at(where, "", a_spec(service=service))
    site.route(TrafficSplit.of(20), TARGET)
    wanted = (SIDES + APEX + HOSTS + ROUTE).replace(
        "targetPort: 80}", "targetPort: 80, appProtocol: tcp}"
    )
    compare(
        site,
        f"""{wanted}
  tcp:
  - match: [{{port: 9000}}]
    route:
    - {{destination: {{host: shop-primary}}, weight: 80}}
    - {{destination: {{host: shop-canary}}, weight: 20}}
""",
    )


def test_a_delegate_has_neither_hosts_nor_gateways(where: Place) -> None:
    """And destinations with the port, for the delegating route may be of any gateway."""
    service = {"delegation": True, "portDiscovery": True}
    site = Site.at(where, "", a_spec(service=service))
    site.route(TrafficSplit.of(20), TARGET)
    wanted = (
        SIDES
        + APEX
        + HOSTS
        + ROUTE.replace("  hosts: [shop]\n  gateways: [mesh]\n", "  hosts: []\n")
    )
    compare(
        site,
        f"""{wanted}
  http:
  - route:
    - {{destination: {{host: shop-primary, port: {{number: 80}}}}, weight: 80}}
    - {{destination: {{host: shop-canary, port: {{number: 80}}}}, weight: 20}}
""",
    )


def test_subsets_of_one_host_have_one_rule(where: Place) -> None:
    """The articles' form: an addition of ours; the apex Service selects the pods of both sides."""
    site = Site.at(where, "", a_spec(service={"subsets": True}))
    site.route(TrafficSplit.of(20), IN_TIERS)
    apex = APEX.replace("selector: {app: shop-primary}", "selector: {tier: front}")
    compare(
        site,
        f"""{SIDES}{apex}
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {{name: shop}}
spec:
  host: shop
  subsets:
  - {{name: primary, labels: {{app: shop-primary}}}}
  - {{name: canary, labels: {{app: shop}}}}
{ROUTE}
  http:
  - route:
    - {{destination: {{host: shop, subset: primary}}, weight: 80}}
    - {{destination: {{host: shop, subset: canary}}, weight: 20}}
""",
    )


# --- without a mesh


@pytest.mark.parametrize(
    ("split", "selected"), [(ALL_TO_PRIMARY, "shop-primary"), (ALL_TO_CANARY, "shop")]
)
def test_without_a_mesh_there_are_three_services(
    where: Place, split: TrafficSplit, selected: str
) -> None:
    """Whose apex selects the primary; *here* the canary, after a promotion that failed (D-11)."""
    site = Site.at(where, "", a_spec(provider="kubernetes", analysis=ITERATIONS))
    site.route(split, TARGET)
    apex = APEX.replace("selector: {app: shop-primary}", f"selector: {{app: {selected}}}")
    compare(site, SIDES + apex)


# --- targets that are traffic

SERVICE: Final = """
apiVersion: v1
kind: Service
metadata:
  name: shop
  labels: {team: web}
  annotations: {note: kept}
spec:
  selector: {app: shop, version: v1}
  ports: [{name: http, port: 80, targetPort: 8080}]
"""


def test_a_service_as_target_has_two_copies(where: Place) -> None:
    """The canary's follows its release, the primary's stays; the target is left alone."""
    site = Site.at(where, SERVICE, a_spec("Service", "v1"))
    site.route(ALL_TO_PRIMARY)
    old = site.revision()
    site.release({"selector": {"version": "v2"}})
    site.route(TrafficSplit.of(20), base=old)
    released = SERVICE.replace("version: v1", "version: v2")
    canary = released.replace("name: shop\n", "name: shop-canary\n")
    primary = SERVICE.replace("name: shop\n", "name: shop-primary\n")
    compare(
        site,
        f"""{released}---{canary}---{primary}{HOSTS}{ROUTE}
  http:
  - route:
    - {{destination: {{host: shop-primary}}, weight: 80}}
    - {{destination: {{host: shop-canary}}, weight: 20}}
""",
    )


KNATIVE: Final = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: shop}
spec:
  template: {spec: {containers: [{image: "shop:1"}]}}
"""


def test_a_knative_service_is_annotated_and_divided(where: Place) -> None:
    """The example of routing 15, and nothing besides: no Services, no routes."""
    site = Site.at(where, KNATIVE, a_spec("Service", "serving.knative.dev/v1", provider="knative"))
    site.revise("shop-00004")
    site.route(ALL_TO_PRIMARY, stage=RouteStage.SERVICES)
    site.revise("shop-00005")
    site.route(TrafficSplit.of(20), base="shop-00004")
    annotated = KNATIVE.replace(
        "{name: shop}",
        "{name: shop, annotations: {flagger.app/primary-revision: shop-00004}}",
    )
    compare(
        site,
        f"""{annotated}
  traffic:
  - {{latestRevision: true, percent: 20}}
  - {{revisionName: shop-00004, percent: 80}}
""",
    )


# --- workloads and autoscalers

DEPLOYMENT: Final = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  labels: {app: shop, team: web}
  annotations: {note: kept, kustomize.toolkit.fluxcd.io/checksum: dropped}
spec:
  replicas: 3
  progressDeadlineSeconds: 120
  minReadySeconds: 5
  revisionHistoryLimit: 4
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 2}}
  selector: {matchLabels: {app: shop, tier: front}}
  template:
    metadata:
      labels: {app: shop, tier: front}
      annotations: {prometheus.io/scrape: "true"}
    spec:
      containers:
      - name: shop
        image: shop:1
        ports: [{name: http, containerPort: 8080}]
        resources: {limits: {memory: 64Mi}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {app: shop}}
      affinity:
        podAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 1
            podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {app: shop}}}
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: node
            labelSelector: {matchExpressions: [{key: app, operator: In, values: [shop]}]}
"""
PRIMARY: Final = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-primary
  labels: {app: shop-primary}
  annotations: {note: kept}
spec:
  replicas: 3
  progressDeadlineSeconds: 120
  minReadySeconds: 5
  revisionHistoryLimit: 4
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 2}}
  selector: {matchLabels: {app: shop-primary}}
  template:
    metadata:
      labels: {app: shop-primary, tier: front}
      annotations: {prometheus.io/scrape: "true", flagger-id: any}
    spec:
      containers:
      - name: shop
        image: shop:1
        ports: [{name: http, containerPort: 8080}]
        resources: {limits: {memory: 64Mi}}
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: zone
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {app: shop-primary}}
      affinity:
        podAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 1
            podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {app: shop}}}
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: node
            labelSelector: {matchExpressions: [{key: app, operator: In, values: [shop-primary]}]}
"""


def test_a_deployment_has_a_primary_and_is_scaled_to_zero(where: Place) -> None:
    """Lifecycle 5.1 and 12: what is copied, renamed and left out; of the target, replicas alone."""
    site = Site.at(where, DEPLOYMENT, a_spec())
    site.scale(WorkloadIntent(1, CanaryScale.LEAVE))
    compare(site, f"{DEPLOYMENT}---{PRIMARY}")
    site.scale(WorkloadIntent(2, CanaryScale.ZERO))
    compare(site, f"{DEPLOYMENT.replace('replicas: 3', 'replicas: 0')}---{PRIMARY}")


DAEMON_SET: Final = """
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: shop
  labels: {app: shop}
  annotations: {note: kept, kustomize.toolkit.fluxcd.io/checksum: dropped}
spec:
  minReadySeconds: 5
  revisionHistoryLimit: 4
  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 2}}
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      nodeSelector: {disk: ssd}
      containers: [{name: shop, image: "shop:1"}]
"""


def test_a_daemon_set_has_a_primary_and_selects_no_node(where: Place) -> None:
    """Lifecycle 5.2 and 12."""
    site = Site.at(where, DAEMON_SET, a_spec("DaemonSet", provider="kubernetes"))
    site.scale(WorkloadIntent(1, CanaryScale.LEAVE))
    site.scale(WorkloadIntent(2, CanaryScale.ZERO))
    parked = DAEMON_SET.replace(
        "nodeSelector: {disk: ssd}",
        'nodeSelector: {disk: ssd, flagger.app/scale-to-zero: "true"}',
    )
    compare(
        site,
        f"""{parked}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: shop-primary
  labels: {{app: shop-primary}}
  annotations: {{note: kept}}
spec:
  minReadySeconds: 5
  revisionHistoryLimit: 4
  updateStrategy: {{type: RollingUpdate, rollingUpdate: {{maxUnavailable: 2}}}}
  selector: {{matchLabels: {{app: shop-primary}}}}
  template:
    metadata: {{labels: {{app: shop-primary}}, annotations: {{flagger-id: any}}}}
    spec:
      nodeSelector: {{disk: ssd}}
      containers: [{{name: shop, image: "shop:1"}}]
""",
    )


SMALL: Final = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:1"}]}
"""
SMALL_PRIMARY: Final = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-primary, labels: {app: shop-primary}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop-primary}}
  template:
    metadata: {labels: {app: shop-primary}, annotations: {flagger-id: any}}
    spec: {containers: [{name: shop, image: "shop:1"}]}
"""
HPA: Final = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: shop
  labels: {team: web, kustomize.toolkit.fluxcd.io/name: dropped}
  annotations: {note: dropped}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  minReplicas: 2
  maxReplicas: 4
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 99}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
"""


def scaled_by(kind: str, version: str, **more: Any) -> Raw:
    """The spec of a canary whose target has an autoscaler of its name."""
    ref = {"apiVersion": version, "kind": kind, "name": "shop", **more}
    return a_spec(provider="kubernetes", analysis=ITERATIONS, autoscalerRef=ref)


def test_a_horizontal_autoscaler_has_a_twin(where: Place) -> None:
    """Lifecycle 16.1: labels without Flux', no annotations, the bounds that the canary says.

    Of the source nothing changes; the reference names a version that is long gone.
    """
    bounds = {"minReplicas": 4, "maxReplicas": 20}
    spec = scaled_by("HorizontalPodAutoscaler", "autoscaling/v2beta2", primaryScalerReplicas=bounds)
    site = Site.at(where, f"{SMALL}---{HPA}", spec)
    site.scale(WorkloadIntent(1, CanaryScale.LEAVE))
    site.scale(WorkloadIntent(2, CanaryScale.ZERO))
    target = SMALL.replace("replicas: 2", "replicas: 0")
    compare(
        site,
        f"""{target}---{SMALL_PRIMARY}---{HPA}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: shop-primary
  labels: {{team: web}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: shop-primary}}
  minReplicas: 4
  maxReplicas: 20
  metrics:
  - type: Resource
    resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 99}}}}
  behavior: {{scaleDown: {{stabilizationWindowSeconds: 60}}}}
""",
    )


KEDA: Final = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: shop
  labels: {team: web, kustomize.toolkit.fluxcd.io/name: dropped}
  annotations: {scaledobject.keda.sh/transfer-hpa-ownership: "true"PAUSE}
spec:
  scaleTargetRef: {name: shop}
  pollingInterval: 10
  cooldownPeriod: 30
  minReplicaCount: 1
  maxReplicaCount: 4
  triggers:
  - type: prometheus
    name: rps
    metadata: {serverAddress: "http://prom:9090", threshold: "5", query: "sum(rps{app=\\"shop\\"})"}
  - type: prometheus
    name: busy
    metadata: {serverAddress: "http://prom:9090", threshold: "5", query: "b{w=\\"shop-canary\\"}"}
  advanced: {horizontalPodAutoscalerConfig: {name: shop-hpa}}
"""
TWIN: Final = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: shop-primary
  labels: {team: web}
  annotations: {scaledobject.keda.sh/transfer-hpa-ownership: "true"}
spec:
  scaleTargetRef: {name: shop-primary}
  pollingInterval: 10
  cooldownPeriod: 30
  minReplicaCount: MINIMUM
  maxReplicaCount: 4
  triggers:
  - type: prometheus
    name: rps
    metadata: {serverAddress: "http://prom:9090", threshold: "5", query: "RPS"}
  - type: prometheus
    name: busy
    metadata: {serverAddress: "http://prom:9090", threshold: "5", query: "BUSY"}
  advanced: {horizontalPodAutoscalerConfig: {name: shop-hpa-primary}}
"""
QUERIES: Final[Mapping[str, tuple[Raw, str]]] = {
    "rewritten": (
        {},
        TWIN.replace("MINIMUM", "1")
        .replace("RPS", 'sum(rps{app=\\"shop-primary\\"})')
        .replace("BUSY", 'b{w=\\"shop-primary\\"}'),
    ),
    "given": (
        {"primaryScalerQueries": {"rps": "own"}, "primaryScalerReplicas": {"minReplicas": 2}},
        TWIN.replace("MINIMUM", "2")
        .replace("RPS", "own")
        .replace("BUSY", 'b{w=\\"shop-canary\\"}'),
    ),
}


@pytest.mark.parametrize(("more", "twin"), QUERIES.values(), ids=QUERIES)
def test_a_scaled_object_has_a_twin_and_is_paused(where: Place, more: Raw, twin: str) -> None:
    """Lifecycle 16.2: its queries ask about the primary, or are those that the canary says."""
    site = Site.at(
        where,
        f"{SMALL}---{KEDA.replace('PAUSE', '')}",
        scaled_by("ScaledObject", "keda.sh/v1alpha1", **more),
    )
    site.scale(WorkloadIntent(1, CanaryScale.LEAVE))
    site.scale(WorkloadIntent(2, CanaryScale.ZERO))
    target = SMALL.replace("replicas: 2", "replicas: 0")
    paused = KEDA.replace("PAUSE", ', autoscaling.keda.sh/paused-replicas: "0"')
    compare(site, f"{target}---{SMALL_PRIMARY}---{paused}---{twin}")
