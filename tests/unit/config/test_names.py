"""Names of generated objects, as users' manifests and dashboards know them."""

from config import names, well_known
from tests.unit.config.manifests import a_canary

HPA = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "cart-hpa"}
INGRESS = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "cart-ingress"}


def test_names_come_from_the_target() -> None:
    """Without `service.name` everything is named after the target."""
    canary = a_canary()

    assert names.apex_name(canary) == "cart"
    assert names.primary_service(canary) == "cart-primary"
    assert names.canary_service(canary) == "cart-canary"
    assert names.primary_workload(canary) == "cart-primary"


def test_the_service_name_renames_services_and_routes_only() -> None:
    """The primary workload keeps the target's name."""
    canary = a_canary(service={"port": 80, "name": "basket"})

    assert names.apex_name(canary) == "basket"
    assert names.primary_service(canary) == "basket-primary"
    assert names.canary_service(canary) == "basket-canary"
    assert names.primary_workload(canary) == "cart-primary"


def test_a_service_as_target_keeps_its_own_name() -> None:
    """`service.name` is ignored for the Services of a Kubernetes Service target."""
    target = {"apiVersion": "v1", "kind": "Service", "name": "legacy"}
    canary = a_canary(targetRef=target, service={"port": 80, "name": "other"})

    assert names.primary_service(canary) == "legacy-primary"
    assert names.canary_service(canary) == "legacy-canary"


def test_well_known_keys_are_those_of_the_api() -> None:
    """Scripts and other controllers look for exactly these texts."""
    assert well_known.API_VERSION == "flagger.app/v1beta1"
    assert well_known.POD_TEMPLATE_ID_ANNOTATION == "flagger-id"
    assert well_known.ORIGINAL_CONFIGURATION_ANNOTATION == (
        "flagger.kubernetes.io/original-configuration"
    )
    assert dict(well_known.FLUX_OPT_OUT_ANNOTATIONS) == {
        "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
        "helm.toolkit.fluxcd.io/driftDetection": "disabled",
    }
