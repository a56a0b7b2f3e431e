"""What deploy/ says that only our code can judge: arguments, variables, the image.

Not tested: what helm, kustomize and an API server say to it (tests/contract, tests/system).
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from cli import main
from config import roles
from config.settings.settings import FLAGS, Settings

ROOT: Final = Path(__file__).resolve().parents[3]
KUSTOMIZE: Final = ROOT / "deploy" / "kustomize"
DOCKERFILE: Final = ROOT / "deploy" / "Dockerfile"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

Instruction = tuple[str, str]


def containers() -> Iterator[dict[str, Any]]:
    """Those of the Deployments that kustomize starts from."""
    for file in ("base/deployments.yaml", "compact/deployment.yaml", "compact/beat.yaml"):
        for each in yaml.safe_load_all((KUSTOMIZE / file).read_text("utf-8")):
            if each["kind"] == "Deployment":
                yield from each["spec"]["template"]["spec"]["containers"]


def flower() -> dict[str, Any]:
    """The container of Flower."""
    file = KUSTOMIZE / "components/flower/flower.yaml"
    [deployment] = [
        each for each in yaml.safe_load_all(file.read_text("utf-8")) if each["kind"] == "Deployment"
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


def instructions() -> list[Instruction]:
    """The Dockerfile's, comments left out and continued lines joined."""
    lines = DOCKERFILE.read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for line in joined if line for word, _, rest in [line.partition(" ")]]


def test_the_command_line_takes_the_arguments_of_every_container() -> None:
    """Each names its process, so that Flower tells the replicas of a role apart.

    There is one for each role, and in the compact form a worker for all queues beside its beat.
    """
    arguments = [each["args"] for each in containers() if "args" in each]
    served = [words[words[0] == "worker"] for words in arguments]
    assert served == [*roles.ALL, ",".join(roles.Queue), roles.BEAT]
    for words in arguments:
        given = main.parser().parse_args(words)
        assert given.name.startswith("$(POD_NAME)")


def test_flower_listens_where_its_manifest_says() -> None:
    """Its settings are its Redis and nothing else: of the Secret it gets what it needs."""
    given = main.parser().parse_args(flower()["args"])
    assert [given.flower_port] == [each["containerPort"] for each in flower()["ports"]]
    redis = {"COALMINE_REDIS_URL", "COALMINE_BROKER_URL"}
    assert {each["name"] for each in flower()["env"]} == redis
    assert redis <= {flag.env for flag in FLAGS}


def test_every_setting_in_a_kustomization_is_one() -> None:
    """Name and value: the process would not start otherwise, or go without it."""
    known = {flag.env for flag in FLAGS}
    files = [*KUSTOMIZE.rglob("*.env"), *KUSTOMIZE.rglob("kustomization.yaml")]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    pairs = [
        line.strip(" -").partition("=") for line in lines if re.match(r"[ -]*COALMINE_\w+=", line)
    ]
    variables = {name: value for name, _, value in pairs}
    assert len(variables) >= 4
    assert variables.keys() <= known
    Settings.from_environ(variables)


def test_every_setting_in_the_chart_is_one() -> None:
    """Those of its values; the secret ones, and no others, are in the Secret."""
    helpers = (ROOT / "deploy/chart/coalmine/templates/_helpers.tpl").read_text("utf-8")
    settings, _, secrets = helpers.partition("The values that are secret")
    by_secrecy = {flag.secret: set[str]() for flag in FLAGS}
    for flag in FLAGS:
        by_secrecy[flag.secret].add(flag.env)
    assert set(re.findall(r"COALMINE_\w+", settings)) <= by_secrecy[False]
    assert set(re.findall(r"COALMINE_\w+", secrets)) == by_secrecy[True]


def test_the_chart_admits_settings_by_their_variables_and_nothing_else() -> None:
    """`make manifests` writes their names down."""
    listed = (ROOT / "deploy/chart/coalmine/files/settings.yaml").read_text("utf-8")
    admitted = set(yaml.safe_load(listed))
    assert "COALMINE_TICK_LEASE" in admitted
    assert admitted <= {flag.env for flag in FLAGS if not flag.secret}


def test_the_chart_is_whole_without_links() -> None:
    """Flux makes charts of a repository's files, and of no links."""
    chart = ROOT / "deploy/chart/coalmine"
    assert (chart / "crds" / "crds.yaml").is_file()
    assert [each for each in chart.rglob("*") if each.is_symlink()] == []


def test_versions_are_the_project_s() -> None:
    """Image, chart and labels."""
    version = PROJECT["project"]["version"]
    chart = yaml.safe_load((ROOT / "deploy/chart/coalmine/Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"]) == (version, version)
    common = (KUSTOMIZE / "components/common/kustomization.yaml").read_text("utf-8")
    assert f"app.kubernetes.io/version: {version}\n" in common
    for file in (
        *("components/common/pod.yaml", "compact/beat.yaml"),
        "components/flower/flower.yaml",
    ):
        assert f"image: coalmine:{version}\n" in (KUSTOMIZE / file).read_text("utf-8")


def test_the_image_runs_as_nobody_and_builds_nothing() -> None:
    """Two stages on one pinned base; the last one copies, and only from the first."""
    starts = [index for index, (word, _) in enumerate(instructions()) if word == "FROM"]
    first, last = (
        instructions()[slice(*span)] for span in zip(starts, [*starts[1:], None], strict=True)
    )
    bases = [stage[0][1].split()[0] for stage in (first, last)]
    assert bases[0] == bases[1]
    assert re.fullmatch(r"python:3\.\d+-slim-bookworm", bases[0])
    assert [rest for word, rest in last if word == "COPY"] == [
        "--from=build /opt/coalmine /opt/coalmine"
    ]
    assert [rest for word, rest in last if word == "USER"] == ["10001:10001"]
    assert last[-1] == ("ENTRYPOINT", '["coalmine"]')
    run = " ".join(rest for word, rest in last if word == "RUN")
    assert not re.search(r"apt-get|pip install|curl|wget", run)
    assert "site-packages/*" in run  # the base's own pip and setuptools
    assert not any(word == "ADD" for word, _ in instructions())


def test_the_image_is_built_of_what_the_project_installs() -> None:
    """Neither history nor credentials are in its context, and no package is missing from it."""
    lines = (ROOT / "deploy/Dockerfile.dockerignore").read_text("utf-8").splitlines()
    left_out = {line for line in lines if not line.startswith("#")}
    assert left_out >= {".*", "tests", "**/*.kubeconfig", "**/*.pem"}
    packages = {name.split(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
    assert not left_out & {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", *packages}


@pytest.mark.parametrize("stage", [0, 1])
def test_the_commands_of_the_image_are_a_shell_s(stage: int) -> None:
    """Each part that `&&` joins is words with matched quotes."""
    runs = [rest for word, rest in instructions() if word == "RUN"]
    for part in runs[stage].split("&&"):
        assert shlex.split(part)
