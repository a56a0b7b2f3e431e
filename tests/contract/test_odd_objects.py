"""Odd objects at a real API server: what it takes, and that nobody is blinded by it.

Free-form fields exist: Istio's kinds have them in many installations, `managedFields` everywhere.
Ours have none any more. Left out: oddities that no real server sends, which
tests/unit/scheduler/test_odd_objects.py has.
"""

import contextlib
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from clients import errors
from clients.kube import connect, decoding, resources
from clients.kube.protocol import WatchEvent
from clients.kube.resources import Resource
from clients.kube.rest import KubeHttp
from clients.kube.transport import Limits
from tests.services.control_plane import ControlPlane
from tests.unit.scheduler import worlds

MARK: Final = "__the odd part__"
DEEP: Final = (1_200, 9_000)
"""Levels: beyond Python's parser, and nearly beyond the API server's, which takes 10,000."""


@pytest.fixture
def door(control_plane: ControlPlane, tmp_path: Path) -> Iterator[KubeHttp]:
    """Our door to the API server, as the administrator."""
    kubeconfig = control_plane.kubeconfig(tmp_path / "kubeconfig")
    with contextlib.closing(connect.connect(role="test", kubeconfig=kubeconfig)) as door:
        yield door


def posted(
    plane: ControlPlane, resource: Resource, namespace: str, raw: dict[str, Any], depth: int
) -> int:
    """The status of the answer to a POST of `raw`, its mark replaced by so many levels."""
    text = json.dumps({**raw, "metadata": {"name": raw["metadata"]["name"]}})
    body = text.replace(json.dumps(MARK), '{"a":' * depth + "{}" + "}" * depth)
    request = urllib.request.Request(
        plane.url + resource.path(namespace),
        data=body.encode(),
        headers={
            "Authorization": f"Bearer {plane.admin_token}",
            "Content-Type": "application/json",
        },
    )
    tls = ssl.create_default_context(cafile=str(plane.ca_file))
    try:
        with urllib.request.urlopen(request, timeout=30, context=tls) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def a_route(name: str, **spec: Any) -> dict[str, Any]:
    """A VirtualService."""
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {"hosts": [name], **spec},
    }


def test_deep_objects_are_set_aside_in_lists_and_watches(
    control_plane: ControlPlane, namespace: str, door: KubeHttp
) -> None:
    """The others are as they are, before and after; only reading the odd one alone is refused."""
    routes = resources.VIRTUAL_SERVICES
    assert posted(control_plane, routes, namespace, a_route("first"), 0) == 201
    before = door.list(routes, namespace)
    seen: list[WatchEvent] = []
    follow = door.watch(routes, namespace, before.resource_version, timedelta(seconds=6))
    thread = threading.Thread(target=lambda: seen.extend(follow))
    thread.start()
    for depth in DEEP:
        odd = a_route(f"odd-{depth}", http=[MARK])
        assert posted(control_plane, routes, namespace, odd, depth) == 201
    assert posted(control_plane, routes, namespace, a_route("last"), 0) == 201
    thread.join(20)

    names = [f"odd-{depth}" for depth in DEEP]
    told = [event.object for event in seen if event.object["metadata"].get("name")]
    assert [obj["metadata"]["name"] for obj in told] == [*names, "last"]
    for objects in (told, door.list(routes, namespace).items):
        aside = {obj["metadata"]["name"] for obj in objects if isinstance(obj, decoding.Odd)}
        assert aside == set(names)
    assert {obj["metadata"]["name"] for obj in door.list(routes, namespace).items} == {
        "first",
        *names,
        "last",
    }
    with pytest.raises(errors.Permanent, match="nested deeper than 64 levels"):
        door.get(routes, namespace, names[0])
    assert door.get(routes, namespace, "last")["spec"] == {"hosts": ["last"]}


def test_no_canary_is_deep(control_plane: ControlPlane, namespace: str, door: KubeHttp) -> None:
    """Our definition leaves nothing of it, or refuses it; the others are listed as ever."""
    assert posted(control_plane, resources.CANARIES, namespace, worlds.a_canary("good"), 0) == 201
    for depth in DEEP:
        for number, field in enumerate(("canaryAnalysis", "unknown", "skipAnalysis")):
            raw = worlds.a_canary(f"odd-{depth}-{number}")
            raw["spec"][field] = MARK
            assert posted(control_plane, resources.CANARIES, namespace, raw, depth) in {
                201,
                400,
                422,
            }

    listed = door.list(resources.CANARIES, namespace).items
    assert not any(isinstance(item, decoding.Odd) for item in listed)
    assert "good" in {item["metadata"]["name"] for item in listed}


def test_large_objects_do_not_stop_a_list(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """A page that is larger than an answer may be is asked for in smaller ones."""
    for number in range(12):
        raw = a_route(f"large-{number}", http=["x" * 100_000])
        assert posted(control_plane, resources.VIRTUAL_SERVICES, namespace, raw, 0) == 201
    kubeconfig = control_plane.kubeconfig(tmp_path / "kubeconfig")
    small = connect.connect(role="test", kubeconfig=kubeconfig, limits=Limits(max_body=400_000))
    with contextlib.closing(small) as door:
        listed = door.list(resources.VIRTUAL_SERVICES, namespace).items

    assert len(listed) == 12
