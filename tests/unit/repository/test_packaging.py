"""What is installed is what is in the checkout.

Tested: the explicit package list against the folders, the constraints file's form, the README's
commands being targets. Not tested: the installation itself, which `make` does in CI from a clone.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[3]
NOT_INSTALLED: Final = {"build", "deploy", "dist", "docs", "tests"}


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _packages_on_disk() -> set[str]:
    """Dotted names of all folders with an __init__.py below the checkout's own folders."""
    tops = (
        each
        for each in ROOT.iterdir()
        if each.is_dir() and not each.name.startswith(".") and each.name not in NOT_INSTALLED
    )
    files = (file for top in tops for file in top.rglob("__init__.py"))
    return {".".join(file.parent.relative_to(ROOT).parts) for file in files}


def test_the_package_list_is_what_is_on_disk() -> None:
    """A new subpackage that is not listed would be missing from an installation."""
    listed = set(_project()["tool"]["setuptools"]["packages"])
    assert listed - {"deploy.crds"} == _packages_on_disk()


def test_every_file_of_package_data_has_a_pattern() -> None:
    """Scripts and manifests that the code reads are installed with it."""
    patterns: dict[str, list[str]] = _project()["tool"]["setuptools"]["package-data"]
    found = {
        file
        for package, globs in patterns.items()
        for glob in globs
        for file in (ROOT / package.replace(".", "/")).glob(glob)
    }
    read = {
        file
        for top in {name.split(".")[0] for name in _packages_on_disk()} | {"deploy/crds"}
        for file in (ROOT / top).rglob("*")
        if file.suffix in {".lua", ".yaml", ".json"}
    }
    assert read == found


def test_linters_and_types_look_at_every_top_level_package() -> None:
    """Import contracts and mypy name the packages one by one; none may be forgotten."""
    tops = {name for name in _packages_on_disk() if "." not in name}
    tools = _project()["tool"]
    assert set(tools["importlinter"]["root_packages"]) == tops
    assert set(tools["mypy"]["packages"]) == tops | {"tests"}
    assert set(tools["ruff"]["lint"]["isort"]["known-first-party"]) == tops | {"tests"}


def test_every_dependency_says_why_it_is_there() -> None:
    """No dependency without a line saying why."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = _project()["project"]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        line = next(line for line in text.splitlines() if f'"{requirement}"' in line)
        assert re.search(r"# \S.{10,}", line), requirement


def test_constraints_are_versions_only_and_cover_the_dependencies() -> None:
    """One pinned version for each direct dependency, and no addresses."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", pin) for pin in pins), pins
    pinned = {_normal(pin.split("==")[0]) for pin in pins}
    project = _project()["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert {_normal(re.split(r"[\[><=]", each)[0]) for each in wanted} <= pinned


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
