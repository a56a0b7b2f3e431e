"""The pages that are written by hand say what the code says, where it can be compared."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from analysis import hooks
from analysis.waiting import WAYS_OUT
from cli import main, options
from config import meshes
from config.api.references import AutoscalerKind
from config.settings.settings import FLAGS
from config.validation import manifests
from tasks.registries import BUILT_IN
from tests import fences, places
from tests.fences import PAGES, ROOT
from tests.unit.repository import pages
from workloads import kinds

_OURS: Final = ("deploy/", "docs/", "sandbox/", "tests/")
SPOKEN: Final = ("install.md", "operations.md", "security.md", "troubleshooting.md", "upgrade.md")
CODE: Final = ("analysis", "cli", "scheduler", "tasks")
README: Final = (ROOT / "README.md").read_text("utf-8")
BENCHMARKS: Final = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
COUNTED: Final = {
    "requests to the API server per rollout of five steps": "Kubernetes calls per rollout",
    "the same per idle canary and minute": "Kubernetes calls per idle canary and minute",
    "Prometheus queries per check of two metrics": "Prometheus queries per active tick",
}
"""Rows of the README's table by those of the benchmarks."""
_APPLIES: Final = re.compile("kubectl .*apply|helm (install|upgrade)")
_LINK: Final = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def test_every_wait_has_its_way_out_in_troubleshooting() -> None:
    """Row by row, in the order of `analysis.waiting`."""
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    section = page.partition("<!-- waiting")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
    assert dict(rows) == {reason.value: way for reason, way in WAYS_OUT.items()}


def test_every_block_of_a_page_has_its_place() -> None:
    """As many places as blocks, in their order, and none of a test that is not there."""
    assert [fence for fence in fences.everywhere() if fence.page not in places.PLACES] == []
    for page, place in places.PLACES.items():
        first = [fence.first for fence in fences.of(page)]
        assert first, f"{page} has no blocks"
        assert not isinstance(place, tuple) or len(place) == len(first), (page, first)
    named = {place.test for _, place in places.placed() if isinstance(place, places.By)}
    missing = {each for each in named if not _is_there(*each.split("::"))}
    assert missing == set()


def _is_there(file: str, name: str) -> bool:
    return name in pages.tests_of(ROOT / file)


def test_make_knows_what_pages_have_it_make() -> None:
    """Of blocks and of sentences, each once: make tells what it would run."""
    typed = [
        line for fence in places.blocks(places.Here.MADE) for line in fence.commands.splitlines()
    ]
    written = "".join(page.read_text("utf-8") for page in PAGES)
    commands = {line.partition("#")[0].strip() for line in typed if line}
    commands |= set(re.findall(r"`((?:\w+=\S+ )*make [^`]+)`", written))
    assert len(commands) > 15
    for command in commands:
        words = shlex.split(command)
        start = words.index("make")
        done = subprocess.run(
            ["env", *words[:start], "make", "--dry-run", *words[start + 1 :]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)


def test_images_that_a_page_builds_are_pushed_before_anything_is_applied() -> None:
    """Nodes pull from the registry."""
    for page in {fence.page for fence in fences.everywhere()}:
        text = "\n".join(fence.commands for fence in fences.of(page) if fence.language == "sh")
        waiting = set[str]()
        for line in text.replace("\\\n", " ").splitlines():
            if "docker build " in line:
                waiting |= set(re.findall(r" -t (\S+)", line))
            if "docker push " in line:
                waiting -= {line.split()[-1]}
            assert not waiting or not _APPLIES.search(line), (page, line)
        assert not waiting, page


def test_an_upgrade_keeps_the_values_that_were_given_and_no_others() -> None:
    """`--reuse-values` would keep the defaults of the chart before."""
    typed = "".join(fence.text for fence in fences.everywhere("sh")).replace("\\\n", " ")
    upgrades = [line for line in typed.splitlines() if "helm upgrade" in line]
    assert len(upgrades) > 1
    assert [each for each in upgrades if "--reset-then-reuse-values" not in each] == []


def test_modules_that_pages_have_readers_run_are_there() -> None:
    """`python -m` of each."""
    written = "".join(page.read_text("utf-8") for page in PAGES)
    modules = set(re.findall(r"python -m ([\w.]+)", written))
    assert len(modules) > 5
    assert {each for each in modules if importlib.util.find_spec(each) is None} == set()


def test_what_pages_say_is_logged_or_told_is_in_the_code() -> None:
    """Phrases in lower case, as log lines and events have them."""
    phrase = re.compile(r"`([a-z]+(?:[ ,]+[a-z]+)+\??)`")
    texts = {name: (ROOT / "docs" / name).read_text("utf-8") for name in SPOKEN}
    said = {each for text in texts.values() for each in phrase.findall(text)}
    typed = {each for each in said if each.split()[0] in {"coalmine", "helm", "kubectl", "make"}}
    assert len(said - typed) > 10
    code = "".join(file.read_text("utf-8") for top in CODE for file in (ROOT / top).rglob("*.py"))
    assert {each for each in said - typed if each not in code} == set()


def test_each_alert_of_ours_is_in_troubleshooting() -> None:
    """With what to begin with."""
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8").rpartition("| Alert |")[2]
    rules = (ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8")
    assert set(re.findall(r"`((?:Coalmine|Canary|canary_)\w+)`", page)) == set(
        re.findall(r"- alert: (\w+)", rules)
    )


def test_links_between_pages_lead_somewhere() -> None:
    """Of all pages, to whatever is in the repository."""
    links = [
        (page.relative_to(ROOT), target)
        for page in PAGES
        for target in _LINK.findall(page.read_text("utf-8"))
    ]
    assert len(links) > 50
    assert not [
        (str(page), target) for page, target in links if not (ROOT / page.parent / target).exists()
    ]


def test_the_readme_says_what_is_carried_out() -> None:
    """The rows of its table that are a registry's: names in code, or Kubernetes' own."""
    rows = dict(re.findall(r"^\| `([^|]+)` \| ([^|]+) \|", README, re.MULTILINE))
    providers = set(re.findall(r"`([\w:]+)`", rows["provider"])) - set(meshes.ALIASES)
    assert providers == set(BUILT_IN.routers.by_name)
    targets = rows["targetRef"].replace("Knative Service", "Service").split(", ")
    assert sorted(targets) == sorted(kind.resource.kind for kind in kinds.KINDS.values())
    assert set(rows["autoscalerRef"].split(", ")) == {each.value for each in AutoscalerKind}
    webhooks = set(re.findall(r"`([\w-]+)`", rows["analysis.webhooks"]))
    assert webhooks == {each.value for each in hooks.CARRIED_OUT}
    [backends] = re.findall(r"of type `([^,]+)`,", rows["analysis.metrics"])
    assert {backends} == set(BUILT_IN.backends)


def test_the_readme_s_figures_are_those_of_the_benchmarks() -> None:
    """Ours and, in brackets, Flagger's, at 200 canaries; CPU and memory rounded."""
    measured = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", BENCHMARKS, re.MULTILINE))
    figures = {
        what: (theirs, ours)
        for what, theirs, ours in re.findall(
            r"^\| ([^|]+) \| ([^|]+) \| \**([^|*]+)\** \|$", README, re.MULTILINE
        )
    }
    for what, figure in COUNTED.items():
        theirs, ours = figures[what]
        assert measured[figure] in {f"{ours} ({theirs})", ours}, what
    theirs, ours = figures["own CPU per tick, memory"]
    ranges = re.compile(r"([\d.]+) to ([\d.]+) \(([\d.]+)\)")
    [(low, high, flagger)] = ranges.findall(measured["own CPU per active tick, with Valkey, ms"])
    [(least, most, memory)] = ranges.findall(measured["peak RSS of all processes, MiB"])
    assert theirs == f"{flagger} ms, {memory} MiB"
    [told] = re.findall(rf"^{float(low):.0f} to {float(high):.0f} ms, (\d+) MiB$", ours)
    assert int(least) <= int(told) <= int(most)


def test_every_page_is_reached_from_the_readme() -> None:
    """By links from page to page, or to the folder that it is in."""
    reached, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        linked = {
            (page.parent / target).resolve() for target in _LINK.findall(page.read_text("utf-8"))
        }
        indexes = {each / "README.md" for each in linked if each.is_dir()}
        ahead += (linked | indexes) & set(PAGES) - reached
    folders = {ROOT / "docs" / "decisions"}  # whose pages are listed by their names
    assert {each for each in set(PAGES) - reached if each.parent not in folders} == set()


def commands() -> Iterator[tuple[str, list[str]]]:
    """Name of the page and words of each simple command that it has readers type."""
    for fence in fences.everywhere("sh"):
        for line in fence.commands.splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
            lexer.whitespace_split = True
            words = list[str]()
            for word in [*lexer, ";"]:
                if set(word) <= set("|&;<>()"):
                    if words:
                        yield fence.page, words
                    words = []
                else:
                    words.append(word)


def test_pages_have_readers_type_options_that_there_are() -> None:
    """Each `coalmine` of a page is read by the command's own grammar."""
    names, parser, read = [flag.name for flag in FLAGS], main.parser(), 0
    for page, words in commands():
        start = next((i for i, word in enumerate(words) if "=" not in word), 0)
        program, *rest = words[start:]
        if Path(program).name != "coalmine" or rest[:1] == ["sandbox"]:
            continue
        try:
            _, unknown = parser.parse_known_args(options.with_two_dashes(rest, names))
        except SystemExit as refused:
            assert refused.code == 0, (page, words)  # noqa: PT017 - of any of many
        else:
            assert not unknown, (page, words)
        read += 1
    assert read >= 15


def test_files_that_pages_have_readers_type_are_there() -> None:
    """Whatever begins like one of ours; with a `*`, at least one."""
    typed = {(page, word) for page, words in commands() for word in words if word.startswith(_OURS)}
    assert len(typed) >= 5
    assert not [(page, word) for page, word in typed if not list(ROOT.glob(word.rstrip("/")))]


def objects() -> Iterator[tuple[str, Any]]:
    """Name of the page and each document of its YAML."""
    for fence in fences.everywhere():
        texts = [fence.text] if fence.language == "yaml" else fence.written
        for text in texts:
            if fence.language == "yaml" or "apiVersion:" in text:
                for document in yaml.safe_load_all(text):
                    yield fence.page, document


CANARIES: Final = [
    (page, each)
    for page, each in objects()
    if isinstance(each, dict) and each.get("kind") == "Canary"
]


@pytest.mark.parametrize(("page", "canary"), CANARIES, ids=[page for page, _ in CANARIES])
def test_canaries_of_pages_have_nothing_wrong_with_them(page: str, canary: Any) -> None:
    """They are taken as they stand; an example that is refused teaches nothing."""
    assert manifests.load_canary(canary).name, page
