"""What the demo plays: three applications, one release of each, and how that should end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import yaml

from config.refs import CanaryRef


@dataclass(frozen=True, slots=True)
class Act:
    """One application: its manifests, the release, and the end it should come to."""

    ref: CanaryRef
    about: str
    """What is wrong with the release, for people."""
    manifest: str
    """File in sandbox/scenarios: Namespace, Deployment and Canary."""
    old_image: str
    new_image: str
    promoted: bool
    """Whether the release should end on the primary; otherwise rolled back."""
    cause: str
    """Text that a Warning event must contain; empty when nothing should go wrong."""

    @property
    def phase(self) -> str:
        """The phase to end in."""
        return "Succeeded" if self.promoted else "Failed"

    @property
    def image(self) -> str:
        """The image that the primary should run in the end."""
        return self.new_image if self.promoted else self.old_image

    @property
    def last_event(self) -> str:
        """Text of the event that ends the rollout."""
        return "Promotion completed!" if self.promoted else "failed checks threshold reached"

    def manifests(self) -> tuple[Mapping[str, Any], ...]:
        """The objects to apply, in order."""
        text = (resources.files("sandbox") / "scenarios" / self.manifest).read_text("utf-8")
        return tuple(each for each in yaml.safe_load_all(text) if each)

    def release(self) -> dict[str, Any]:
        """The merge patch of the Deployment that releases the new image."""
        deployment = next(each for each in self.manifests() if each["kind"] == "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        changed = [{**container, "image": self.new_image}]
        return {"spec": {"template": {"spec": {"containers": changed}}}}


BAD_TAGS: Final = {
    "6.0.3": "fails under traffic",
    "6.0.3-crash": "starts, then exits",
    "6.0.3-no-such-image": "cannot be pulled",
}
"""Releases of podinfo that do not go well, and why."""


def tag(image: str) -> str:
    """The tag of an image, for people."""
    return image.rpartition(":")[2]


ACTS: Final = (
    Act(
        ref=CanaryRef("shop", "podinfo"),
        about="a good release",
        manifest="shop.yaml",
        old_image="ghcr.io/stefanprodan/podinfo:6.0.0",
        new_image="ghcr.io/stefanprodan/podinfo:6.0.1",
        promoted=True,
        cause="",
    ),
    Act(
        ref=CanaryRef("payments", "checkout"),
        about="fails under traffic",
        manifest="payments.yaml",
        old_image="registry.example.com/checkout:1.9.2",
        new_image="registry.example.com/checkout:2.0.0",
        promoted=False,
        cause="success rate",
    ),
    Act(
        ref=CanaryRef("catalog", "search"),
        about="becomes slow",
        manifest="catalog.yaml",
        old_image="registry.example.com/search:1.4.7",
        new_image="registry.example.com/search:1.5.0",
        promoted=False,
        cause="request duration",
    ),
)
