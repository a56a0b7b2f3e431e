"""MetricTemplates as they are read: the collection's example, and what makes no sense."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
import yaml

from config.api.metric_template import MetricProviderType
from config.validation.metric_templates import load_template
from config.validation.problems import InvalidSpec
from tests.unit.config.manifests import FOLDER

URL: Final = "http://prometheus:9090"


def a_template(query: Any = "up", **provider: Any) -> dict[str, Any]:
    """A raw MetricTemplate; fields of the provider that are None are left out."""
    given = {"type": "prometheus", "address": URL, **provider}
    kept = {key: value for key, value in given.items() if value is not None}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "errors", "namespace": "sre"},
        "spec": {"provider": kept, "query": query},
    }


def test_the_example_of_the_collection_is_read() -> None:
    """Every field of it."""
    text = (FOLDER / "metrictemplate-and-alertprovider.yaml").read_text()
    raw = next(each for each in yaml.safe_load_all(text) if each["kind"] == "MetricTemplate")
    spec = load_template(raw)
    assert spec.provider.type is MetricProviderType.PROMETHEUS
    assert spec.provider.address == "https://prom.monitoring:9090"
    assert dict(spec.provider.headers) == {"X-Scope-OrgID": ("shop",)}
    assert spec.provider.secret_ref is not None
    assert spec.provider.secret_ref.name == "prom-auth"
    assert not spec.provider.insecure_skip_verify
    assert spec.query == raw["spec"]["query"]


@pytest.mark.parametrize(
    "kind", [each.value for each in MetricProviderType if each != "prometheus"]
)
def test_other_types_have_addresses_of_their_own(kind: str) -> None:
    """Whether they are carried out is asked elsewhere."""
    assert load_template(a_template(type=kind, address=None)).provider.address is None


WRONG: Final[Mapping[str, tuple[Any, str]]] = {
    "no spec": ({"metadata": {"name": "errors"}}, "spec: (missing): is required"),
    "a spec that is a text": ({"spec": "up"}, 'spec: "up": has a wrong type or value'),
    "no query": (a_template(query=None), "spec.query: (missing): is required"),
    "an empty query": (a_template(query=" \n"), 'spec.query: " \\n": is empty'),
    "a long query": (
        a_template(query="x" * 65_537),
        "spec.query: 65537 characters: is too long (allowed: at most 65536 characters)",
    ),
    "an unknown type": (
        a_template(type="promtheus"),
        'spec.provider.type: "promtheus": has a wrong',
    ),
    "no address": (a_template(address=None), 'spec.provider.address: "": is not a usable URL'),
    "no URL": (a_template(address="prometheus:9090"), "spec.provider.address: "),
    "a number as header": (a_template(headers={"X-Id": [1]}), "spec.provider.headers"),
    "no list of values": (a_template(headers={"X-Id": "a"}), "spec.provider.headers"),
    "a bad header": (
        a_template(headers={"X Id": ["a"]}),
        'spec.provider.headers: "X Id": is no name of a header',
    ),
    "a header of two lines": (
        a_template(headers={"X-Id": ["a\r\nHost: b"]}),
        "spec.provider.headers.X-Id: a list: is no value of a header",
    ),
    "a Secret without name": (
        a_template(secretRef={"name": ""}),
        'spec.provider.secretRef.name: "": is empty',
    ),
    "a text as flag": (
        a_template(insecureSkipVerify="yes"),
        'spec.provider.insecureSkipVerify: "yes": has a wrong type or value (allowed: true or ',
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_refused_with_its_field(name: str) -> None:
    """Field, value, and what is allowed; no header's value and no path of a URL is repeated."""
    raw, message = WRONG[name]
    with pytest.raises(InvalidSpec) as refusal:
        load_template(raw)
    (problem,) = refusal.value.problems
    assert str(problem).startswith(message)
    assert "allowed: " in str(problem)


def test_all_problems_are_told_at_once() -> None:
    """Whoever mends one should not meet the next."""
    with pytest.raises(InvalidSpec) as refusal:
        load_template(a_template(query="", address="", secretRef={"name": ""}))
    assert len(refusal.value.problems) == 3
