"""Where objects are at an API server, and how long watches of them last."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kube import protocol, resources


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (resources.SERVICES, ("a", "b"), "/api/v1/namespaces/a/services/b"),
        (resources.NAMESPACES, (None, "a"), "/api/v1/namespaces/a"),
        (resources.CANARIES, (None,), "/apis/flagger.app/v1beta1/canaries"),
        (
            resources.CANARIES,
            ("a", "b", "status"),
            "/apis/flagger.app/v1beta1/namespaces/a/canaries/b/status",
        ),
        (resources.SECRETS, ("a", "b/../c"), "/api/v1/namespaces/a/secrets/b%2F..%2Fc"),
    ],
)
def test_every_object_has_its_path(
    resource: resources.Resource, arguments: tuple[str | None, ...], path: str
) -> None:
    """The API's paths; a name cannot break out of its segment."""
    assert resource.path(*arguments) == path


@pytest.mark.parametrize(
    ("resource", "arguments"),
    [
        (resources.NAMESPACES, ("a", "b")),
        (resources.SECRETS, (None, "b")),
        (resources.SECRETS, ("a", None, "status")),
        (resources.SECRETS, ("a", "..")),
    ],
)
def test_what_has_no_path_is_refused(
    resource: resources.Resource, arguments: tuple[str | None, ...]
) -> None:
    """An address of something else than meant is never built."""
    with pytest.raises(ValueError, match=r"namespace|needs the name|not the name"):
        resource.path(*arguments)


@given(st.floats(0, 1, exclude_max=True))
def test_watches_last_between_four_and_five_minutes(random: float) -> None:
    """The jitter of a watch's duration stays within its bounds."""
    duration = protocol.watch_timeout(lambda: random)
    assert timedelta(minutes=4) <= duration <= timedelta(minutes=5)
