"""The MetricTemplate resource: a query that canaries refer to, and where it is run."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field

from config.api.model import Flag, Model, Text, Texts, described, switch


class MetricProviderType(StrEnum):
    """The metric backends."""

    PROMETHEUS = "prometheus"
    INFLUXDB = "influxdb"
    DATADOG = "datadog"
    EXTERNALMETRICS = "externalmetrics"
    STACKDRIVER = "stackdriver"
    CLOUDWATCH = "cloudwatch"
    NEWRELIC = "newrelic"
    GRAPHITE = "graphite"
    DYNATRACE = "dynatrace"
    KEPTN = "keptn"
    SPLUNK = "splunk"


class SecretRef(Model):
    """A Secret in the namespace of the object that refers to it."""

    name: Text = Field(description="Name of the Secret.")


class MetricProvider(Model):
    """Where the query is run, and as whom."""

    type: MetricProviderType = Field(description="The metric backend.")
    address: Text | None = described("Base URL of the backend; needed for prometheus.")
    headers: Mapping[Text, Texts] = described("Further request headers (prometheus).", {})
    secret_ref: SecretRef | None = described(
        "Secret with the credentials, in the namespace of the template."
    )
    region: Text | None = described("Cloud region (cloudwatch).")
    insecure_skip_verify: Flag = switch("Whether the certificate of the backend is not verified.")


class MetricTemplateSpec(Model):
    """A query and its backend."""

    provider: MetricProvider = Field(description="Where the query is run, and as whom.")
    query: Text = Field(
        description="The query, a Go template over name, namespace, target, service, ingress, "
        "route, interval and variables."
    )


class MetricTemplate(Model):
    """A MetricTemplate object, as far as it is read."""

    spec: MetricTemplateSpec = Field(description="A query and its backend.")
