"""Several canaries on one stage, each with a target `NAME-app`; the first is the stage's own."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from clients.kube import resources
from config.refs import CanaryRef
from tests.stage.stage import REF, Stage, a_deployment

NAMES: Final = (REF.name, "till", "wish", "list", "gift", "bill")


def target(name: str) -> str:
    """The Deployment of the canary `name`."""
    return f"{name}-app"


def deployed(stage: Stage, manifest: Mapping[str, Any], names: Iterable[str] = NAMES) -> None:
    """Applies the canaries of `manifest` and their targets."""
    for name in names:
        stage.create(resources.DEPLOYMENTS, a_deployment(name=target(name)))
        of = {**manifest["spec"]["targetRef"], "name": target(name)}
        metadata = {"name": name, "namespace": REF.namespace}
        spec = {**manifest["spec"], "targetRef": of}
        stage.create(resources.CANARIES, {**manifest, "metadata": metadata, "spec": spec})


def released(stage: Stage, names: Iterable[str] = NAMES) -> None:
    """All targets get another image."""
    for name in names:
        stage.release("app:2", name=target(name))


def phases(stage: Stage) -> dict[str, str]:
    """The phase that each canary shows."""
    names = (each["metadata"]["name"] for each in stage.kube.list(resources.CANARIES).items)
    return {name: stage.phase(CanaryRef(REF.namespace, name)) for name in names}


def promoted(stage: Stage) -> set[str]:
    """The canaries whose primary runs the image of `released`."""
    return {name for name in phases(stage) if stage.image(f"{target(name)}-primary") == "app:2"}
