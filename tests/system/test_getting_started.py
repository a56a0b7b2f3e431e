"""docs/getting-started.md typed on a real API server, and how troubleshooting begins.

Everything behind the installation, which tests/contract/test_pages.py types. Its steps take a
second here. Not tested, for there are no nodes: images, sidecars, and the load; the metrics server
says what it would have come to.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests import fences
from tests.fences import Fence
from tests.services import presence, typist
from tests.system import meters
from tests.system.site import Site


def of(page: str, *headings: str) -> list[Fence]:
    """The blocks of a page, below some of its headings or in all of it."""
    text = (fences.ROOT / page).read_text("utf-8")
    below = [part for part in text.split("\n## ") if part.startswith(headings or ("",))]
    return [fence for fence in fences.of(page) if any(fence.text in part for part in below)]


def test_the_releases_end_as_the_page_says(site: Site, tmp_path: Path) -> None:
    """One is promoted, one is rolled back, and each command ends well."""
    presence.require("kubectl")
    page = "docs/getting-started.md"
    type_out(site, of(page, "An application", "A release"), tmp_path)
    app = site.app("podinfo")
    assert (app.image(primary=True), app.weights()) == (image("6.0.1"), [0, 20, 40, 60, 0])
    site.meters.set("podinfo", meters.FAILING)
    type_out(site, [*of(page, "A bad release"), *of("docs/troubleshooting.md")], tmp_path)
    assert (app.image(primary=True), app.weight()) == (image("6.0.1"), 0)


def type_out(site: Site, blocks: Sequence[Fence], folder: Path) -> None:
    """Types them in the namespace of the site."""
    steps = list(typist.steps([here(fence, site.namespace) for fence in blocks]))
    environ = {
        "KUBECONFIG": str(site.plane.kubeconfig(folder / "kubeconfig")),
        "HOME": str(folder),
        "COALMINE_SERVER": f"http://127.0.0.1:{port(site)}",
    }
    typist.type_out(steps, folder, seconds=150, environ=environ)


def here(fence: Fence, namespace: str) -> Fence:
    """The block for that namespace, with steps that take a second."""
    text = fence.text.replace("interval: 15s", "interval: 1s")
    for named in ("-n {}", "name: {}", "namespace: {}", "{}/podinfo"):
        for name in ("test", "shop"):
            text = text.replace(named.format(name), named.format(namespace))
    return replace(fence, text=text)


def port(site: Site) -> int:
    """Where the first beat answers."""
    lines = site.processes.members["beat-1"].log.read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines if "health served" in line]
    return int(told[-1]["port"])


def image(tag: str) -> str:
    """Podinfo's."""
    return f"ghcr.io/stefanprodan/podinfo:{tag}"
