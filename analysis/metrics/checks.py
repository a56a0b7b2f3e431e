"""A canary's metric checks, ready to be measured: query text, endpoint, bounds, policies.

Pure. Whoever cannot be measured (a query that does not render, a metric without a query) is a
check too, with the finding already in `problem`: it is never executed, and never silently left
out. Source: docs/compatibility/metrics.md, "Which checks an entry makes" and
"Query templates".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from analysis import figures, templates
from analysis.backends.backend import Endpoint, SecretKey
from analysis.findings import Absent
from analysis.metrics import queries
from analysis.verdicts import Policies, Reason, Verdict
from clients.documents.world import TemplateView
from config import derived
from config.api.canary import Canary
from config.api.metrics import REQUEST_SUCCESS_RATE, MetricCheck
from config.api.references import TargetKind
from config.meshes import UnknownMesh
from config.refs import ObjectRef


class CheckKind(Enum):
    """What is measured, and so in which unit and with which words it is reported."""

    SUCCESS_RATE = "built-in success rate in percent"
    DURATION = "built-in request duration in milliseconds"
    QUERY = "query in the manifest"
    TEMPLATE = "query of a MetricTemplate"
    UNUSABLE = "entry that names nothing to measure"


NO_TEMPLATES: Final[Mapping[str, TemplateView]] = MappingProxyType({})

_UNITS: Final[Mapping[CheckKind, str]] = {
    CheckKind.SUCCESS_RATE: figures.PERCENT,
    CheckKind.DURATION: figures.MILLISECONDS,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose check it is, as far as its texts name it; `provider` as in the no-data texts."""

    canary: str
    namespace: str
    target: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of one tick.

    `minimum` and `maximum` are inclusive, in `unit`; None means unbounded on that side. With a
    `problem` there is nothing to execute.
    """

    metric: str
    kind: CheckKind
    endpoint: Endpoint
    query: str
    minimum: float | None
    maximum: float | None
    subject: Subject
    policies: Policies = field(default_factory=Policies)
    problem: Absent | None = None
    builtin: queries.Builtin | None = None
    """What `query` was written from, where it comes from the table of built-in queries."""

    @property
    def unit(self) -> str:
        """The unit of the value and its bounds: "%", "ms" or "" for queries of the user."""
        return _UNITS.get(self.kind, "")


def checks_for(
    canary: Canary,
    default_provider: str,
    default_endpoint: Endpoint,
    revision: str = "",
    known: Mapping[str, TemplateView] = NO_TEMPLATES,
) -> tuple[Check, ...]:
    """The checks of `canary` in evaluation order: entries in list order, then template checks.

    The defaults apply where the canary names no provider or metrics server of its own. An entry
    may make several checks, as in Flagger: the built-in one of its name, its own query, its
    template. `revision` is the one under analysis, which is the route of a Knative Service;
    `known` are the MetricTemplates that there are, as `World.templates`.
    """
    endpoint = _endpoint(canary, default_endpoint)
    planner = _Planner(canary, default_provider, endpoint, revision, known)
    entries = canary.spec.analysis.metrics
    first = [check for entry in entries for check in planner.first_pass(entry)]
    return (*first, *(check for entry in entries for check in planner.second_pass(entry)))


def endpoints_to_probe(
    canary: Canary, default_endpoint: Endpoint, known: Mapping[str, TemplateView] = NO_TEMPLATES
) -> tuple[Endpoint, ...]:
    """The endpoints whose availability is reported while the canary initializes.

    As in Flagger: that of the built-in checks, if there are any, and those of templates; inline
    queries do not count.
    """
    entries = canary.spec.analysis.metrics
    builtin = (_endpoint(canary, default_endpoint) for entry in entries if entry.is_builtin)
    refs = filter(None, (derived.template(canary, entry) for entry in entries))
    usable = ((ref, view) for ref in refs if (view := known.get(str(ref))) and not view.problems)
    return tuple(dict.fromkeys((*builtin, *(_of_template(*each) for each in usable))))


def _endpoint(canary: Canary, default: Endpoint) -> Endpoint:
    """The default endpoint, at the address of `spec.metricsServer` where the canary names one."""
    address = canary.spec.metrics_server
    return replace(default, address=address) if address else default


def _of_template(ref: ObjectRef, view: TemplateView) -> Endpoint:
    """Where the query of a MetricTemplate is run; its Secret is in its own namespace."""
    return Endpoint(
        kind=view.kind,
        address=view.address,
        headers=view.headers,
        options=(("region", view.region),) if view.region else (),
        secret=SecretKey(ref.namespace, view.secret) if view.secret else None,
        verify_tls=view.verify_tls,
    )


def query_names(canary: Canary, window: str) -> Mapping[str, str]:
    """What the functions of a query template give back for `canary`."""
    spec = canary.spec
    target = spec.target_ref.name
    return {
        "name": canary.name,
        "namespace": canary.namespace,
        "target": target,
        "service": spec.service.name or target,
        "ingress": spec.ingress_ref.name if spec.ingress_ref else target,
        "route": spec.route_ref.name if spec.route_ref else target,
        "interval": window,
    }


@dataclass(frozen=True, slots=True)
class _Planner:
    canary: Canary
    default_provider: str
    endpoint: Endpoint
    revision: str
    known: Mapping[str, TemplateView]

    def first_pass(self, entry: MetricCheck) -> Iterator[Check]:
        if entry.is_builtin:
            yield self._builtin(entry)
        if entry.query:
            yield self._inline(entry)

    def second_pass(self, entry: MetricCheck) -> Iterator[Check]:
        if ref := derived.template(self.canary, entry):
            yield self._template(entry, ref)
        elif not (entry.is_builtin or entry.query):
            cause = "Metric query failed for no usable metrics template and query were configured"
            yield self._unusable(entry, Reason.NO_QUERY, cause)

    def _builtin(self, entry: MetricCheck) -> Check:
        target = self.canary.spec.target_ref
        name = self.revision if target.is_knative else target.name
        is_daemon = target.kind is TargetKind.DAEMON_SET
        workload = queries.WorkloadName(self.canary.namespace, name, is_daemon)
        window = derived.metric_window(entry)
        is_rate = entry.name == REQUEST_SUCCESS_RATE
        kind = CheckKind.SUCCESS_RATE if is_rate else CheckKind.DURATION
        try:
            provider = derived.provider(self.canary, self.default_provider)
            row = queries.Builtin(provider, entry.name, window, workload)
            return self._check(entry, kind, query=row.text, builtin=row)
        except (queries.NoBuiltinQueries, UnknownMesh) as error:
            problem = Absent(Verdict.ERROR, Reason.NOT_SUPPORTED, str(error))
            return self._check(entry, kind, problem=problem)

    def _inline(self, entry: MetricCheck) -> Check:
        try:
            text = self._rendered(entry, entry.query or "")
            return self._check(entry, CheckKind.QUERY, query=text)
        except templates.TemplateError as error:
            cause = f"query render error: {error}"
            problem = Absent(Verdict.ERROR, Reason.QUERY_NOT_RENDERED, cause)
            return self._check(entry, CheckKind.QUERY, problem=problem)

    def _template(self, entry: MetricCheck, ref: ObjectRef) -> Check:
        label, view = f"Metric template {ref.dotted}", self.known.get(str(ref))
        if view is None:
            cause = f'{label} error: metrictemplate.flagger.app "{ref.name}" not found'
            return self._unusable(entry, Reason.NO_TEMPLATE, cause)
        if view.problems:
            cause = f"{label} error: {'; '.join(view.problems)}"
            return self._unusable(entry, Reason.INVALID_TEMPLATE, cause)
        try:
            text = self._rendered(entry, view.query)
        except templates.TemplateError as error:
            cause = f"{label} query render error: {error}"
            return self._unusable(entry, Reason.QUERY_NOT_RENDERED, cause)
        check = self._check(entry, CheckKind.TEMPLATE, query=text)
        return replace(check, endpoint=_of_template(ref, view))

    def _rendered(self, entry: MetricCheck, query: str) -> str:
        """The text of a query. Raises TemplateError."""
        names = query_names(self.canary, derived.metric_window(entry))
        if self.canary.spec.target_ref.is_knative:
            names = {**names, "route": self.revision}
        return templates.render(query, names, entry.template_variables)

    def _unusable(self, entry: MetricCheck, reason: Reason, cause: str) -> Check:
        problem = Absent(Verdict.ERROR, reason, cause)
        return self._check(entry, CheckKind.UNUSABLE, problem=problem)

    def _check(
        self,
        entry: MetricCheck,
        kind: CheckKind,
        query: str = "",
        problem: Absent | None = None,
        builtin: queries.Builtin | None = None,
    ) -> Check:
        minimum, maximum = bounds(entry, kind)
        return Check(
            metric=entry.name,
            kind=kind,
            endpoint=self.endpoint,
            query=query,
            minimum=minimum,
            maximum=maximum,
            subject=self._subject(),
            policies=Policies(entry.on_no_data, entry.on_error),
            problem=problem,
            builtin=builtin,
        )

    def _subject(self) -> Subject:
        target = self.canary.spec.target_ref
        provider = self.canary.spec.provider or self.default_provider
        suffix = ":service" if target.is_kubernetes_service else ""
        return Subject(self.canary.name, self.canary.namespace, target.name, provider + suffix)


def bounds(entry: MetricCheck, kind: CheckKind) -> tuple[float | None, float | None]:
    """Inclusive bounds of a check, in its unit; None for a side without one.

    `thresholdRange` replaces `threshold` altogether, even when empty. `threshold` alone is the
    smallest success rate, or the largest value of anything else; 0 when absent. Fractions of
    milliseconds count, where Flagger cuts them off.
    """
    if entry.threshold_range is not None:
        return entry.threshold_range.min, entry.threshold_range.max
    bound = entry.threshold or 0.0
    return (bound, None) if kind is CheckKind.SUCCESS_RATE else (None, bound)
