"""Well-known keys and words of the API: group, kinds, annotations, suffixes."""

from __future__ import annotations

from typing import Final

GROUP: Final = "flagger.app"
VERSION: Final = "v1beta1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

CANARY_KIND: Final = "Canary"
METRIC_TEMPLATE_KIND: Final = "MetricTemplate"
ALERT_PROVIDER_KIND: Final = "AlertProvider"

PRIMARY_SUFFIX: Final = "-primary"
CANARY_SUFFIX: Final = "-canary"

#: A label value and a Service name end at 63 characters (DNS-1123 label).
MAX_LABEL_LENGTH: Final = 63
#: What a name may have so that `<name>-primary` still fits.
LONGEST_BASE_NAME: Final = MAX_LABEL_LENGTH - len(PRIMARY_SUFFIX)

#: Annotation on the primary's pod template: a fresh UUID at each promotion.
POD_TEMPLATE_ID_ANNOTATION: Final = "flagger-id"

#: Finalizer of a Canary that undoes what was done for it when it is deleted.
FINALIZER: Final = "finalizer.flagger.app"

#: Annotation on a ConfigMap or Secret: with a value that begins with `disable` it is not tracked.
CONFIG_TRACKING_ANNOTATION: Final = "flagger.app/config-tracking"

#: Key of the node selector that keeps the pods of a target DaemonSet away.
SCALE_TO_ZERO_SELECTOR: Final = "flagger.app/scale-to-zero"

#: Annotation on a Knative Service: the name of the primary's revision.
PRIMARY_REVISION_ANNOTATION: Final = "flagger.app/primary-revision"

#: Annotation on routing objects taken over: JSON of the spec as it was before.
ORIGINAL_CONFIGURATION_ANNOTATION: Final = "flagger.kubernetes.io/original-configuration"
LAST_APPLIED_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"

#: Annotation on a Canary: a new value, whatever it is, has a closed gate asked at once.
NUDGE_ANNOTATION: Final = "coalmine.dev/nudge"

#: Annotations on generated Services and most routing objects: they keep Flux away.
FLUX_OPT_OUT_ANNOTATIONS: Final = (
    ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
    ("helm.toolkit.fluxcd.io/driftDetection", "disabled"),
)
#: Labels and annotations of targets that contain this are never copied to generated objects.
FLUX_KEY_PART: Final = "toolkit.fluxcd.io"

#: The namespace for which deploy/ is made, and where the console looks for our pods when it may not
#: look everywhere.
INSTALLED_IN: Final = "coalmine-system"
