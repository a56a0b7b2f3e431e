"""The built-in resources the sandbox serves, as a table.

Names, short names, categories and columns are those of Kubernetes 1.32. Kinds without behaviour
here (RBAC, quotas, …) are stored and served, and nothing enforces them.
"""

from typing import Final

from sandbox.apiserver.resources import Column, Resource, ScalePaths

_AGE: Final = Column("Age", cell="age", description="Time since creation.")
_NAME: Final = Column("Name", cell="name", format="name", description="Name of the object.")


def _columns(*columns: Column) -> tuple[Column, ...]:
    return (_NAME, *columns)


def _wide(name: str, cell: str) -> Column:
    return Column(name, cell=cell, priority=1)


DEFAULT_COLUMNS: Final = (_NAME, Column("Created At", type="date", cell="created"))
_WORKLOAD_WIDE: Final = (
    _wide("Containers", "containers"),
    _wide("Images", "images"),
    _wide("Selector", "selector"),
)
_EVENT_COLUMNS: Final = (
    Column("Last Seen", cell="event_last_seen"),
    Column("Type", path=".type"),
    Column("Reason", path=".reason"),
    Column("Object", cell="event_object"),
    Column("Subobject", path=".involvedObject.fieldPath", priority=1),
    Column("Source", cell="event_source", priority=1),
    Column("Message", path=".message"),
    Column("First Seen", cell="event_first_seen", priority=1),
    Column("Count", cell="event_count", priority=1),
    Column("Name", cell="name", format="name", priority=1),
)

CORE: Final = (
    Resource(
        "",
        "v1",
        "Namespace",
        "namespaces",
        short_names=("ns",),
        namespaced=False,
        status=True,
        columns=_columns(Column("Status", path=".status.phase"), _AGE),
    ),
    Resource(
        "",
        "v1",
        "Service",
        "services",
        short_names=("svc",),
        categories=("all",),
        status=True,
        columns=_columns(
            Column("Type", path=".spec.type"),
            Column("Cluster-IP", cell="cluster_ip"),
            Column("External-IP", cell="external_ip"),
            Column("Port(s)", cell="service_ports"),
            _AGE,
            _wide("Selector", "service_selector"),
        ),
    ),
    Resource(
        "",
        "v1",
        "ConfigMap",
        "configmaps",
        short_names=("cm",),
        columns=_columns(Column("Data", type="integer", cell="data_count"), _AGE),
    ),
    Resource(
        "",
        "v1",
        "Secret",
        "secrets",
        columns=_columns(
            Column("Type", path=".type"), Column("Data", type="integer", cell="data_count"), _AGE
        ),
    ),
    Resource("", "v1", "Event", "events", short_names=("ev",), columns=_EVENT_COLUMNS),
    Resource(
        "",
        "v1",
        "Pod",
        "pods",
        short_names=("po",),
        categories=("all",),
        status=True,
        columns=_columns(
            Column("Ready", cell="pod_ready"),
            Column("Status", cell="pod_status"),
            Column("Restarts", cell="pod_restarts"),
            _AGE,
            _wide("IP", "pod_ip"),
            _wide("Node", "pod_node"),
            _wide("Nominated Node", "none"),
            _wide("Readiness Gates", "none"),
        ),
    ),
    Resource(
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        short_names=("sa",),
        columns=_columns(Column("Secrets", type="integer", cell="secrets_count"), _AGE),
    ),
    Resource(
        "",
        "v1",
        "Endpoints",
        "endpoints",
        short_names=("ep",),
        columns=_columns(Column("Endpoints", cell="none"), _AGE),
    ),
    Resource(
        "",
        "v1",
        "Node",
        "nodes",
        short_names=("no",),
        namespaced=False,
        status=True,
        columns=DEFAULT_COLUMNS,
    ),
)

APPS: Final = (
    Resource(
        "apps",
        "v1",
        "Deployment",
        "deployments",
        short_names=("deploy",),
        categories=("all",),
        status=True,
        scale=ScalePaths(),
        generation="spec",
        columns=_columns(
            Column("Ready", cell="deployment_ready"),
            Column("Up-to-date", type="integer", cell="updated_replicas"),
            Column("Available", type="integer", cell="available_replicas"),
            _AGE,
            *_WORKLOAD_WIDE,
        ),
    ),
    Resource(
        "apps",
        "v1",
        "ReplicaSet",
        "replicasets",
        short_names=("rs",),
        categories=("all",),
        status=True,
        scale=ScalePaths(),
        generation="spec",
        columns=_columns(
            Column("Desired", type="integer", path=".spec.replicas"),
            Column("Current", type="integer", path=".status.replicas"),
            Column("Ready", type="integer", cell="ready_replicas"),
            _AGE,
            *_WORKLOAD_WIDE,
        ),
    ),
    Resource(
        "apps",
        "v1",
        "DaemonSet",
        "daemonsets",
        short_names=("ds",),
        categories=("all",),
        status=True,
        generation="spec",
        columns=_columns(
            Column("Desired", type="integer", cell="desired_scheduled"),
            Column("Current", type="integer", cell="current_scheduled"),
            Column("Ready", type="integer", cell="number_ready"),
            Column("Up-to-date", type="integer", cell="updated_scheduled"),
            Column("Available", type="integer", cell="number_available"),
            Column("Node Selector", cell="none"),
            _AGE,
            *_WORKLOAD_WIDE,
        ),
    ),
    Resource(
        "apps",
        "v1",
        "StatefulSet",
        "statefulsets",
        short_names=("sts",),
        categories=("all",),
        status=True,
        scale=ScalePaths(),
        generation="spec",
        columns=_columns(Column("Ready", cell="deployment_ready"), _AGE, *_WORKLOAD_WIDE[:2]),
    ),
)

OTHERS: Final = (
    Resource(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        short_names=("hpa",),
        categories=("all",),
        status=True,
        columns=_columns(
            Column("Reference", cell="scale_target"),
            Column("MinPods", cell="min_replicas"),
            Column("MaxPods", type="integer", path=".spec.maxReplicas"),
            Column("Replicas", type="integer", cell="current_replicas"),
            _AGE,
        ),
    ),
    Resource(
        "networking.k8s.io",
        "v1",
        "Ingress",
        "ingresses",
        short_names=("ing",),
        status=True,
        generation="spec",
        columns=_columns(
            Column("Class", cell="ingress_class"), Column("Hosts", cell="ingress_hosts"), _AGE
        ),
    ),
    Resource(
        "coordination.k8s.io",
        "v1",
        "Lease",
        "leases",
        columns=_columns(Column("Holder", path=".spec.holderIdentity"), _AGE),
    ),
    Resource(
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        columns=_columns(Column("AddressType", path=".addressType"), _AGE),
    ),
    Resource(
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRole",
        "clusterroles",
        namespaced=False,
        columns=DEFAULT_COLUMNS,
    ),
    Resource(
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        namespaced=False,
        columns=_columns(Column("Role", cell="role_ref"), _AGE),
    ),
    Resource("rbac.authorization.k8s.io", "v1", "Role", "roles", columns=DEFAULT_COLUMNS),
    Resource(
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        "rolebindings",
        columns=_columns(Column("Role", cell="role_ref"), _AGE),
    ),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        namespaced=False,
        status=True,
        generation="spec",
        columns=DEFAULT_COLUMNS,
    ),
)

BUILTINS: Final = CORE + APPS + OTHERS
CRD_RESOURCE: Final = "customresourcedefinitions.apiextensions.k8s.io"
