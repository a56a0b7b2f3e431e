"""Istio's traffic policy and matching vocabulary, as far as `spec.service` lets users set it.

Field names and meanings are Istio's; values are passed through to the generated objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ConfigDict

from config.api.model import (
    Flag,
    Int32,
    Model,
    StringMap,
    Text,
    Texts,
    Whole,
    described,
    exactly_one,
)

_KEYS: Final = ("exact", "prefix", "regex")


def _at_most_one(*keys: str) -> dict[str, Any]:
    """Schema: none of `keys`, or exactly one."""
    each = exactly_one(*keys)["oneOf"]
    return {"oneOf": [{"not": {"anyOf": each}}, *each]}


class StringMatch(Model):
    """How a text is compared; at most one of the keys."""

    model_config = ConfigDict(json_schema_extra=_at_most_one(*_KEYS))

    exact: Text | None = described("Equal to this text.")
    prefix: Text | None = described("Begins with this text.")
    suffix: Text | None = described("Ends with this text (Gateway providers only).")
    regex: Text | None = described("Matches this RE2 expression as a whole.")


class RequiredStringMatch(StringMatch):
    """How a text is compared; exactly one of the keys."""

    model_config = ConfigDict(json_schema_extra=exactly_one("exact", "prefix", "suffix", "regex"))


class OriginMatch(Model):
    """An origin that may read responses; exactly one of the keys."""

    model_config = ConfigDict(json_schema_extra=exactly_one(*_KEYS))

    exact: Text | None = described("Equal to this origin.")
    prefix: Text | None = described("Begins with this text.")
    regex: Text | None = described("Matches this RE2 expression as a whole.")


class HTTPMatchRequest(Model):
    """Conditions on a request; all given ones must hold."""

    name: Text | None = described("Name of the condition, appended to the route's name.")
    uri: StringMatch | None = described("Condition on the path.")
    scheme: StringMatch | None = described("Condition on the URI scheme.")
    method: StringMatch | None = described("Condition on the HTTP method.")
    authority: StringMatch | None = described("Condition on the authority (host).")
    headers: Mapping[Text, StringMatch] | None = described("Conditions on headers by name.")
    port: Whole | None = described("Port at which the request arrives.")
    source_labels: StringMap | None = described("Labels that the calling workload must have.")
    gateways: Texts | None = described("Gateways at which the conditions apply.")
    query_params: Mapping[Text, StringMatch] | None = described(
        "Conditions on query parameters by name."
    )
    ignore_uri_case: Flag | None = described("Whether the path is compared without case.")
    without_headers: Mapping[Text, StringMatch] | None = described(
        "Conditions on headers by name that must not hold."
    )
    source_namespace: Text | None = described("Namespace that the calling workload must be in.")

    @property
    def comparisons(self) -> dict[str, StringMatch]:
        """Every comparison of a text, by its path in the request: `uri`, `headers.x-user`."""
        singles = {name: getattr(self, name) for name in ("uri", "scheme", "method", "authority")}
        maps = {
            "headers": self.headers,
            "queryParams": self.query_params,
            "withoutHeaders": self.without_headers,
        }
        named = {f"{name}.{key}": each for name in maps for key, each in (maps[name] or {}).items()}
        return {path: each for path, each in {**singles, **named}.items() if each is not None}


class AnalysisMatchRequest(HTTPMatchRequest):
    """Conditions that choose the users of an A/B test."""

    headers: Mapping[Text, RequiredStringMatch] | None = described(
        "Conditions on headers by name; each with exactly one comparison."
    )

    @property
    def uncompared(self) -> dict[str, Any]:
        """The conditions that no strategy compares with a request, by their names in manifests.

        A comparison of a text is in words.
        """
        compared = {"name", "headers", "queryParams", "sourceLabels"}
        others = {name: value for name, value in self.wire().items() if name not in compared}
        texts = {name: text.wire() for name, text in self.comparisons.items() if name in others}
        words = {name: " ".join(*text.items()) for name, text in texts.items() if len(text) == 1}
        return {**others, **words}


class CorsPolicy(Model):
    """Which origins may call the service from a browser."""

    allow_origin: Texts | None = described("Origins by text; Istio's older form.")
    allow_origins: tuple[OriginMatch, ...] | None = described("Origins by comparison.")
    allow_methods: Texts | None = described("Methods allowed.")
    allow_headers: Texts | None = described("Request headers allowed.")
    expose_headers: Texts | None = described("Response headers scripts may read.")
    max_age: Text | None = described("How long the answer of a preflight may be kept.")
    allow_credentials: Flag | None = described("Whether credentials may be sent.")


class HTTPRewrite(Model):
    """What the path or the host of a request is replaced by."""

    uri: Text | None = described("Path, or the part that replaces the matched prefix.")
    authority: Text | None = described("Host.")
    type: Text | None = described(
        "ReplacePrefixMatch replaces the matched prefix (Gateway API); anything else the path."
    )


class HTTPRetry(Model):
    """How failed requests are tried again."""

    attempts: Int32 | None = described("Number of further attempts.")
    per_try_timeout: Text | None = described("Time limit of each attempt.")
    retry_on: Text | None = described("Conditions under which to retry, as in Envoy.")


class HeaderOperations(Model):
    """Changes to headers."""

    add: StringMap | None = described("Headers to append.")
    set: StringMap | None = described("Headers to overwrite.")
    remove: Texts | None = described("Headers to remove.")


class Headers(Model):
    """Changes to request and response headers."""

    request: HeaderOperations | None = described("Changes before the request is forwarded.")
    response: HeaderOperations | None = described("Changes before the response is returned.")
