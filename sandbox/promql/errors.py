"""What can go wrong with a query, in the two kinds Prometheus tells apart."""


class PromqlError(Exception):
    """A query that has no answer; `kind` is the `errorType` of the HTTP API.

    Source: Prometheus documentation, "HTTP API", format overview.
    """

    kind = "execution"


class BadQueryError(PromqlError):
    """The text is not a query: it does not parse or its types do not fit (HTTP 400)."""

    kind = "bad_data"


class ExecutionError(PromqlError):
    """The query parsed and cannot be evaluated, e.g. an unsupported function (HTTP 422)."""

    kind = "execution"
