"""What is drawn where the locale or the encoding knows ASCII alone."""

import io
import json
from collections.abc import Mapping

import pytest
import yaml
from rich.console import Console
from rich.text import Text

from cli.console import charset
from cli.console.session import formatted

DRAWN = "├─ ✓ 店 99% ≥ 99%"
PLAIN = "|- + ? 99% >= 99%"


def written(encoding: str, environ: Mapping[str, str]) -> str:
    """What a console writes of DRAWN on a stream with that encoding."""
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding)
    charset.adapt(stream, environ)
    Console(file=stream, width=80).print(Text(DRAWN))
    stream.flush()
    return buffer.getvalue().decode("utf-8").rstrip("\n")


@pytest.mark.parametrize(
    ("encoding", "environ", "plain"),
    [
        ("utf-8", {}, False),
        ("utf-8", {"LANG": "C.UTF-8"}, False),
        ("utf-8", {"LANG": "C", "LC_ALL": "de_DE.UTF-8"}, False),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # as Python itself sets the latter
        ("utf-8", {"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, True),
        ("ascii", {}, True),
    ],
)
def test_strokes_have_a_form_in_ascii(encoding: str, environ: dict[str, str], plain: bool) -> None:
    """Where the locale says so, or the stream can do no other; other characters are a mark."""
    assert written(encoding, environ) == (PLAIN if plain else DRAWN)


def test_an_encoding_writes_what_it_has() -> None:
    """Latin-1 knows a micro sign, and no tree."""
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="latin-1")
    charset.adapt(stream, {})
    print("├─ 250µs", file=stream, flush=True)
    assert buffer.getvalue().decode("latin-1") == "|- 250µs\n"


def test_documents_lose_no_character() -> None:
    """Programs read them: escaped, they are the same."""
    document = {"message": "≥ 99%"}
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        text = formatted(document, form, is_unicode=False)
        assert text.isascii()
        assert read(text) == document
