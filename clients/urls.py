"""URLs: as they may be shown, and with a path to be asked at."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from clients import errors


def redacted(url: str) -> str:
    """The URL without userinfo, query and fragment, which may hold credentials."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def check_scheme(url: str, doing: str) -> None:
    """Raises Permanent for a URL that is not of HTTP."""
    if url.partition(":")[0].lower() not in {"http", "https"}:
        raise errors.Permanent(f"{doing}: the scheme must be http or https")


def ending_with(url: str, path: str) -> str:
    """The URL with `path` after its own, unless that ends with it already."""
    parts = urlsplit(url)
    if parts.path.endswith(path):
        return url
    return parts._replace(path=f"{parts.path.rstrip('/')}{path}").geturl()
