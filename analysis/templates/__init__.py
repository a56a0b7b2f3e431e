"""Query templates: the part of Go's text/template that users' manifests need.

    {{ name }}  {{ variables.key }}  {{ index variables "key" }}  {{ printf "%s" x }}  {{ a | b }}
    {{ if eq namespace "prod" }} … {{ else if … }} … {{ else }} … {{ end }}
    {{- trim markers -}}  {{/* comments */}}  "strings"  `raw strings`  42  true  (parentheses)

Anything else of Go's language is refused with its position; nothing is rendered differently in
silence. `lexer` makes tokens, `parser` the text. Pure.
"""

from analysis.templates.lexer import TemplateError as TemplateError
from analysis.templates.parser import render as render
