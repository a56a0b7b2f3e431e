"""Query templates, against Go's text/template (the outputs were taken from its documentation).

Aspects: plain calls, variables, literals, functions, pipelines, conditions, trim markers, comments,
refusals with positions. Left out: what the subset refuses as a whole (range, with, define).
"""

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import templates

NAMES = {"name": "podinfo", "namespace": "prod", "target": "web", "interval": "1m"}
VARIABLES = {"app": "shop", "empty": "", "quote": 'a"b'}


def render(template: str) -> str:
    """The text of `template` with the names and variables of this module."""
    return templates.render(template, NAMES, VARIABLES)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("no action }} at all", "no action }} at all"),
        ("{{ name }}", "podinfo"),
        ("{{name}}/{{namespace}}", "podinfo/prod"),
        ("{{\n name\n}}", "podinfo"),
        ("{{ variables.app }}", "shop"),
        ('{{ index variables "app" }}', "shop"),
        ('{{ index variables "absent" }}', ""),
        ("{{ variables.empty }}", ""),
        ('{{ "text" }}', "text"),
        ('{{ "a\\"b\\n\\t\\u00e9\\x41" }}', 'a"b\n\té' + "A"),
        ("{{ `raw \\n` }}", "raw \\n"),
        ("{{ 42 }}{{ -7 }}", "42-7"),
        ("{{ true }}", "true"),
        ("{{ print name `-` 1 }}", "podinfo-1"),
        ("{{ printf `%s/%s` namespace name }}", "prod/podinfo"),
        ("{{ printf `%d%%` 99 }}", "99%"),
        ("{{ printf `%q` variables.quote }}", '"a\\"b"'),
        ("{{ printf `%q` `\x7f\x85` }}", '"\\x7f\\u0085"'),
        ("{{ printf `%v %v %v` 1 `x` true }}", "1 x true"),
        ("{{ name | printf `%s-%s` namespace }}", "prod-podinfo"),
        ("{{ name | printf `<%s>` | printf `%q` }}", '"<podinfo>"'),
        ("{{ printf `%s` (print name `!`) }}", "podinfo!"),
        ("{{ (variables).app }}", "shop"),
        ("{{ if eq namespace `prod` }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if ne namespace `prod` }}yes{{ else }}no{{ end }}", "no"),
        ("{{ if eq namespace `a` `prod` }}yes{{ end }}", "yes"),
        ("{{ if variables.empty }}yes{{ end }}.", "."),
        ("{{ if not variables.empty }}yes{{ end }}", "yes"),
        ("{{ if 0 }}a{{ else if false }}b{{ else if name }}c{{ else }}d{{ end }}", "c"),
        ("{{ if true }}{{ if false }}a{{ else }}b{{ end }}{{ end }}", "b"),
        ("{{ and name `last` }}{{ or variables.empty `other` }}", "lastother"),
        ("{{ if and (eq 1 1) (not false) }}yes{{ end }}", "yes"),
        ("{{ or name variables.absent }}", "podinfo"),
        ("{{ and variables.empty variables.absent }}", ""),
        ("a  {{- name -}}  b", "apodinfob"),
        ("a \n {{- 3 }} b", "a3 b"),
        ("{{-3}}", "-3"),
        ("a {{/* a comment }} with braces */}} b", "a  b"),
        ("a {{- /* a comment */ -}} b", "ab"),
        ("{{ variables }}", 'map[app:shop empty: quote:a"b]'),
    ],
)
def test_the_subset_renders_as_go_does(template: str, text: str) -> None:
    """Each construct of the subset, alone and combined."""
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{{ variables.absent }}", 'line 1, column 13: map has no entry for key "absent"'),
        ("up{\n  {{ nmae }}}", 'line 2, column 6: function "nmae" not defined; allowed: and, '),
        ("{{ if false }}{{ nmae }}{{ end }}", 'line 1, column 18: function "nmae" not defined'),
        ("a {{ name", "line 1, column 3: the action does not end with }}"),
        ("{{ name ]}}", "line 1, column 9: unexpected ']' in an action"),
        ("{{ }}", "line 1, column 4: missing a value before '}}'"),
        ("{{ name | }}", "line 1, column 11: missing a value before '}}'"),
        ("{{ (name }}", "line 1, column 10: missing ) before '}}'"),
        ("{{ name) }}", "line 1, column 8: missing }} before ')'"),
        ("{{ if name }}a", "line 1, column 4: {{if}} without {{end}}"),
        ("{{ if name }}a{{ else }}b", "line 1, column 4: {{if}} without {{end}}"),
        ("a{{ end }}", "line 1, column 5: unexpected {{end}}"),
        ("{{ else }}", "line 1, column 4: unexpected {{else}}"),
        ("{{ range name }}{{ end }}", "line 1, column 4: range is not supported"),
        ("{{ .Name }}", "line 1, column 4: .Name: there is no data, only functions"),
        ("{{ $x := name }}", "line 1, column 4: unexpected '$' in an action"),
        ('{{ "\\k" }}', "line 1, column 5: unknown escape \\k in a string"),
        ('{{ "open }}', "line 1, column 4: unexpected '\"' in an action"),
        ("{{ name `x` }}", "line 1, column 4: name: 1 arguments given; allowed: none"),
        ("{{ `x` name }}", "line 1, column 4: `x` is not a function and takes no arguments"),
        ("{{ name.x }}", "line 1, column 8: no field x in a value that is no map"),
        ("{{ eq 1 `1` }}", "line 1, column 4: eq: incompatible types: '1' and '1'"),
        ("{{ eq name }}", "line 1, column 4: eq: 1 arguments given; allowed: two or more"),
        ("{{ eq variables variables }}", "line 1, column 4: eq: maps cannot be compared"),
        ("{{ printf `%d` name }}", "line 1, column 4: printf: %d needs a number, not 'podinfo'"),
        ("{{ printf `%s` 1 }}", "line 1, column 4: printf: %s needs a text, not 1"),
        ("{{ printf `%5d` 1 }}", "line 1, column 4: printf: format %5d is not supported"),
        ("{{ printf `%` }}", "line 1, column 4: printf: format % is not supported"),
        ("{{ printf `%s` }}", "line 1, column 4: printf: no argument left for %s"),
        ("{{ printf `a` 1 }}", "line 1, column 4: printf: 1 arguments more than the format uses"),
        ("{{ printf }}", "line 1, column 4: printf: the first argument must be the format"),
        ("{{ index name `x` }}", "line 1, column 4: index: allowed: a map and a text"),
        ("{{ and }}", "line 1, column 4: and: no arguments given; allowed: one or more"),
        ("{{/* open }}", "line 1, column 3: unexpected '/' in an action"),
        ("{{/* a */ name }}", "line 1, column 10: a comment must end its action"),
        ("{{ " + "(" * 100 + " }}", "line 1, column 54: nested deeper than 50 levels"),
        ("{{ if 1 }}" * 100, "nested deeper than 50 levels"),
        ("{{ name" + "|print" * 9999 + "}}", "more than 100 pipes, fields and parentheses"),
        ("{{ variables" + ".a" * 9999 + "}}", "more than 100 pipes, fields and parentheses"),
        ("{{ print " + "9" * 5000 + "}}", "line 1, column 10: unexpected '9' in an action"),
        ('{{ "\\UFFFFFFFF" }}', "line 1, column 5: unknown escape \\UFFFFFFFF in a string"),
        ('{{ "\\ud800" }}', "line 1, column 5: unknown escape \\ud800 in a string"),
        ("{{ variables }}" * 9999, "longer than 262144 characters"),
        ("{{ print " + "variables " * 20_000 + "}}", "print: given more than 262144 characters"),
    ],
)
def test_what_cannot_be_rendered_is_refused_with_its_position(
    template: str, complaint: str
) -> None:
    """Nothing is rendered otherwise than in Go without a word; the message says where and what."""
    with pytest.raises(templates.TemplateError) as raised:
        render(template)
    assert complaint in str(raised.value)


def test_the_query_of_a_manifest_renders_to_promql() -> None:
    """The form users write, with line breaks and trim markers."""
    query = render(
        """
        sum(rate(http_requests_total{
          namespace="{{ namespace }}",{{- if eq namespace "prod" }}
          tier="live",{{ end }}
          app=~"{{ variables.app }}-[0-9a-z]+"
        }[{{ interval }}]))
        """
    )
    assert 'namespace="prod",\n' in query
    assert 'app=~"shop-[0-9a-z]+"' in query
    promql_parser.parse(query)


@given(st.text())
def test_text_without_actions_is_left_alone(text: str) -> None:
    """Only `{{` begins anything."""
    template = text.replace("{{", "")
    assert render(template) == template


@given(st.text(alphabet='{}-|()`" .%$naeif1\n\\/*', max_size=40))
def test_any_text_renders_or_is_refused(template: str) -> None:
    """No other exception, whatever is written."""
    try:
        assert isinstance(render("{{ " + template), str)
    except templates.TemplateError as error:
        where = error.line, error.column
    else:
        where = 1, 1
    assert min(where) >= 1
