"""What Istio's own tools say about objects: nothing, if they are as they should be."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.services import istio
from tests.services.processes import ServiceError
from tests.system.site import App

Object = Mapping[str, Any]

GATEWAY_PORT: Final = 80
"""What a gateway's Service has; the tests' own gateway listens without one."""


def complaints(app: App) -> list[str]:
    """What `istioctl validate` and `analyze` find in what was written for an application.

    Each version of its VirtualService is analyzed together with the other objects as they are.
    """
    sides = [f"{app.name}-{side}" for side in ("primary", "canary")]
    others = [
        *(app.get("destinationrules", name) for name in sides),
        *(app.get("services", name) for name in (app.name, *sides)),
    ]
    routes = _different(one.object for one in app.seen("virtualservices"))
    analyzed = (_analyzed([istio.gateway(GATEWAY_PORT), route, *others]) for route in routes)
    return [*_validated([*routes, *others]), *(text for texts in analyzed for text in texts)]


def _different(routes: Iterable[Object]) -> list[Object]:
    return list({json.dumps(each["spec"], sort_keys=True): each for each in routes}.values())


def _validated(objects: Sequence[Object]) -> list[str]:
    output = _asked(objects, "validate", "-f")
    return [line for line in output.splitlines() if line and not line.endswith("is valid")]


def _analyzed(objects: Sequence[Object]) -> list[str]:
    quiet = ["--use-kube=false", "--output-threshold=Info", "--output=json"]
    output = _asked(objects, "analyze", *quiet)
    start = output.find("[")
    if start < 0:
        raise ServiceError(f"istioctl analyze said no JSON: {output}")
    messages, _ = json.JSONDecoder().raw_decode(output[start:])
    return [f"{one['code']} {one.get('origin')}: {one['message']}" for one in messages]


def _asked(objects: Sequence[Object], *words: str) -> str:
    """The output of istioctl about these objects, whatever its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "objects.yaml")
        file.write_text(yaml.safe_dump_all(map(_as_written, objects)), "utf-8")
        return istio.istioctl(*words, file)


def _as_written(one: Object) -> Object:
    """The object without what the API server keeps about it."""
    kept = ("name", "namespace", "labels", "annotations", "ownerReferences")
    metadata = {key: one["metadata"][key] for key in kept if key in one["metadata"]}
    return {key: one[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata}
