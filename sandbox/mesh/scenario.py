"""The traffic scenario: who calls what how often, and how each release behaves.

A scenario is a YAML file::

    profiles:                          # how a release answers, by name
      healthy:
        error_rate: 0.001              # share of requests answered `error_code`, 0 to 1
        latency: {p50_ms: 20, p99_ms: 90}
      error-spike:
        error_rate: 0.001
        error_code: 503                # 500 unless given
        latency: {p50_ms: 20, p99_ms: 90}
        stages:                        # changes over time; each replaces what it names
          - after_seconds: 20          # since this release of the workload first had traffic
            error_rate: 0.4
      slow:
        latency:                       # or a distribution: share of requests up to each bound,
          buckets: {250: 0.5, 1000: 0.9, 2500: 1.0}    # bounds in ms, from Istio's buckets
    hosts:                             # callers
      - host: podinfo                  # the apex host requests are sent to
        namespace: test
        requests_per_second: 50
        default_profile: healthy       # of releases not listed
        releases:                      # image tag of the workload's pods -> profile
          6.2.0: error-spike
        path: /                        # optional: what HTTP rules can match on
        method: GET
        headers: {x-user: insider}
        source: {workload: istio-ingressgateway, namespace: istio-system}

A pod template annotation `sandbox.coalmine.dev/profile: <name>` outranks `releases`. Several
entries may share a host, e.g. with different headers. Unknown fields and names are errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Self

import pydantic
import yaml
from pydantic import Field

BUCKET_BOUNDS_MS: Final = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000,
    1800000, 3600000,
)  # fmt: skip
"""Istio's histogram buckets. Source: Istio proxy, default statistics configuration."""

Share = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(gt=0, le=BUCKET_BOUNDS_MS[-1])]


class ScenarioError(ValueError):
    """A scenario that cannot be used; the message has a line per problem with its place."""


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class Percentiles(_Model):
    """A log-normal latency distribution given by two of its percentiles."""

    p50_ms: Milliseconds
    """Median, in milliseconds."""
    p99_ms: Milliseconds
    """99th percentile, in milliseconds; not below the median."""

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p99_ms < self.p50_ms:
            raise ValueError(f"p99_ms {self.p99_ms:g} is below p50_ms {self.p50_ms:g}")
        return self


class Buckets(_Model):
    """A latency distribution given bucket by bucket."""

    buckets: dict[float, Share] = Field(min_length=1)
    """Share of requests at most as slow as each bound (ms): rising, and 1 at the last."""

    @pydantic.model_validator(mode="after")
    def _cumulative(self) -> Self:
        unknown = sorted(set(self.buckets) - set(BUCKET_BOUNDS_MS))
        if unknown:
            allowed = ", ".join(f"{bound:g}" for bound in BUCKET_BOUNDS_MS)
            raise ValueError(f"bound {unknown[0]:g} is not one of {allowed}")
        shares = [share for _, share in sorted(self.buckets.items())]
        if shares != sorted(shares) or shares[-1] != 1:
            raise ValueError("shares must rise with the bounds and end at 1")
        return self


Latency = Percentiles | Buckets


class Stage(_Model):
    """A change of behaviour some time after a release first had traffic."""

    after_seconds: float = Field(ge=0)
    """Seconds of traffic after which the stage begins."""
    error_rate: Share | None = None
    """Replaces the profile's; unchanged when absent."""
    latency: Latency | None = None
    """Replaces the profile's; unchanged when absent."""

    def changes(self) -> dict[str, object]:
        """The fields of the profile that this stage replaces."""
        named = {"error_rate": self.error_rate, "latency": self.latency}
        return {field: value for field, value in named.items() if value is not None}


class Profile(_Model):
    """How a release answers its requests."""

    latency: Latency
    """How long answers take."""
    error_rate: Share = 0
    """Share of requests answered with `error_code`."""
    error_code: int = Field(default=500, ge=400, le=599)
    """HTTP status of a failed request."""
    stages: tuple[Stage, ...] = ()
    """Later behaviour; ordered by `after_seconds`, each building on the one before."""

    @pydantic.model_validator(mode="after")
    def _stages_in_order(self) -> Self:
        starts = [stage.after_seconds for stage in self.stages]
        if starts != sorted(starts):
            raise ValueError("stages must be ordered by after_seconds")
        return self

    def at(self, seconds: float) -> Profile:
        """The profile after `seconds` of traffic, without stages."""
        current = self.model_copy(update={"stages": ()})
        for stage in self.stages:
            if stage.after_seconds <= seconds:
                current = current.model_copy(update=stage.changes())
        return current


class Source(_Model):
    """The workload that sends the requests."""

    workload: str = "istio-ingressgateway"
    """Name of the calling workload."""
    namespace: str = "istio-system"
    """Its namespace."""


class Host(_Model):
    """Requests to one apex host."""

    host: str = Field(min_length=1)
    """Name of the apex Service."""
    namespace: str = Field(min_length=1)
    """Namespace of the apex Service."""
    requests_per_second: float = Field(ge=0, le=1_000_000)
    """Constant rate of requests."""
    default_profile: str
    """Profile of workloads whose image tag is not in `releases`."""
    releases: dict[str, str] = Field(default_factory=dict)
    """Profile by image tag of the workload's pods."""
    path: str = "/"
    """Path of the requests."""
    method: str = "GET"
    """Method of the requests."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of the requests; names in lower case."""
    source: Source = Source()
    """Who calls."""

    def profile_names(self) -> Iterator[tuple[str, str]]:
        """Each profile named here, with the field that names it."""
        yield "default_profile", self.default_profile
        for tag, name in self.releases.items():
            yield f"releases.{tag}", name


class Scenario(_Model):
    """The whole traffic of a sandbox."""

    profiles: dict[str, Profile]
    """Behaviours by name."""
    hosts: tuple[Host, ...]
    """Traffic by host."""

    @pydantic.model_validator(mode="after")
    def _profiles_exist(self) -> Self:
        for index, host in enumerate(self.hosts):
            for field, name in host.profile_names():
                if name not in self.profiles:
                    known = ", ".join(sorted(self.profiles)) or "none"
                    message = f"hosts.{index}.{field}: profile {name!r} is not one of {known}"
                    raise ValueError(message)
        return self

    @classmethod
    def parse(cls, text: str) -> Scenario:
        """The scenario written in `text` (YAML).

        Raises ScenarioError with every problem: its place, the value, what is allowed.
        """
        try:
            return cls.from_mapping(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ScenarioError(f"scenario is not YAML: {error}") from error

    @classmethod
    def from_mapping(cls, document: object) -> Scenario:
        """The scenario in a parsed YAML document; raises ScenarioError as `parse`."""
        if not isinstance(document, Mapping):
            raise ScenarioError(f"scenario must be a mapping, got {type(document).__name__}")
        try:
            return cls.model_validate(_with_text_tags(document))
        except pydantic.ValidationError as error:
            raise ScenarioError("\n".join(map(_line, error.errors()))) from error


def _with_text_tags(document: Mapping[str, object]) -> dict[str, object]:
    """`document` with image tags as text: YAML reads an unquoted `6.1` as a number."""
    hosts = document.get("hosts")
    if not isinstance(hosts, list):
        return dict(document)
    return {**document, "hosts": [_with_text_releases(host) for host in hosts]}


def _with_text_releases(host: object) -> object:
    if not isinstance(host, Mapping) or not isinstance(host.get("releases"), Mapping):
        return host
    return {**host, "releases": {str(tag): name for tag, name in host["releases"].items()}}


def _line(problem: Mapping[str, object]) -> str:
    place = problem["loc"]
    path = ".".join(map(str, place)) if isinstance(place, tuple) else str(place)
    return f"{path or 'scenario'}: {problem['msg']} (got {problem['input']!r:.80})"
