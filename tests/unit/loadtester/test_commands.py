"""Command lines without a shell: what is run is what a shell would run, or is refused by name."""

import subprocess

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.settings.loadtester import ALLOWED
from loadtester import commands
from loadtester.commands import NeedsShellError, UnreadableError
from tests import fences


@pytest.mark.parametrize(
    ("text", "pipeline"),
    [
        (
            "curl -sd 'test' http://podinfo-canary:9898/token | grep token",
            (("curl", "-sd", "test", "http://podinfo-canary:9898/token"), ("grep", "token")),
        ),
        (
            "hey -z 1m -q 10 -c 2 http://podinfo.test:9898/",
            (("hey", "-z", "1m", "-q", "10", "-c", "2", "http://podinfo.test:9898/"),),
        ),
        (
            "hey -z 10m -H 'Cookie: type=insider; a=\"b\"' -host app.example.com http://gw/?a=*",
            (
                (
                    *("hey", "-z", "10m", "-H", 'Cookie: type=insider; a="b"'),
                    *("-host", "app.example.com", "http://gw/?a=*"),
                ),
            ),
        ),
        ("  echo  a\t b \n", (("echo", "a", "b"),)),
        ("echo a \\\n  b", (("echo", "a", "b"),)),
        ("echo '' \"\" a''b", (("echo", "", "", "ab"),)),
        ("grep '|' | grep \"a|b;c\"", (("grep", "|"), ("grep", "a|b;c"))),
        ("grep 'foo$' \\$x \\;", (("grep", "foo$", "$x", ";"),)),
        ('echo "a \\"b\\" \\$c \\d"', (("echo", 'a "b" $c \\d'),)),
        (
            "curl -w %{http_code} -o /dev/null x",
            (("curl", "-w", "%{http_code}", "-o", "/dev/null", "x"),),
        ),
        ("bash -c 'curl x | grep y'", (("curl", "x"), ("grep", "y"))),
        ("sh -c \"echo 'a b'\"", (("echo", "a b"),)),
        ("echo a#b x~ k=v", (("echo", "a#b", "x~", "k=v"),)),
    ],
)
def test_words_quotation_marks_and_pipes_are_a_shells(
    text: str, pipeline: commands.Pipeline
) -> None:
    """Expected values as bash splits them."""
    assert commands.parse(text) == pipeline


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a && b", "&&"),
        ("a || b", "||"),
        ("a |& b", "|&"),
        ("a; b", ";"),
        ("a & ", "&"),
        ("a > f", ">"),
        ("a 2>&1", ">"),
        ("a < f", "<"),
        ("a $(b)", "$("),
        ("a `b`", "`"),
        ("a $HOME", "$"),
        ("a ${HOME}", "$"),
        ('a "$HOME"', "double quotes"),
        ('a "`b`"', "double quotes"),
        ("(a)", "( )"),
        ("a\nb", "line break"),
        ("a # comment", "#"),
        ("ls ~/x", "~"),
        ("cat /tmp/*.json", "file names"),
        ("cat ./?", "file names"),
        ("echo {a,b}", "{ }"),
        ("echo {1..9}", "{ }"),
        ("A=1 env", "assignment"),
        ("bash -c 'a && b'", "&&"),
    ],
)
def test_what_only_a_shell_can_do_is_refused_by_name(text: str, name: str) -> None:
    """Never passed on as an argument, where it would mean something else."""
    with pytest.raises(NeedsShellError, match=r".") as refused:
        commands.parse(text)
    assert name in str(refused.value)


@pytest.mark.parametrize("text", ["a | ", "| a", "a | | b", "echo 'a", 'echo "a', "a\0b", "a \\"])
def test_what_no_shell_can_read_is_refused(text: str) -> None:
    """As a mistake, not as something that a shell would mend."""
    with pytest.raises(UnreadableError):
        commands.parse(text)


def test_the_commands_of_the_page_are_run_without_a_shell() -> None:
    """Those of docs/loadtester.md, by programs that are allowed."""
    (fence,) = (each for each in fences.of("docs/loadtester.md") if each.language == "yaml")
    texts = [yaml.safe_load(line)["cmd"] for line in fence.text.splitlines()]
    programs = [words[0] for text in texts for words in commands.parse(text)]
    assert programs == ["hey", "curl", "grep"]
    assert set(programs) <= set(ALLOWED.split(","))


@given(st.text(alphabet="ab '\"\\|$`;&<>()*?[]{},.~#=!\n\t%-/:", max_size=24))
def test_a_shell_does_the_same_with_whatever_is_taken(text: str) -> None:
    """Any text that is taken has the words that the shell's own parser gives for each command."""
    try:
        pipeline = commands.parse(f"echo {text}")
    except ValueError:
        return
    if len(pipeline) == 1:
        assert _by_bash(text) == list(pipeline[0][1:])


def _by_bash(text: str) -> list[str]:
    script = f"set -f; printf '%s\\0' x {text}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, cwd="/")
    return done.stdout.decode().split("\0")[1:-1]


def test_long_texts_take_no_long_time() -> None:
    """Nothing is gone through again and again: 64 KiB of anything in a moment."""
    for part in ("{,", "{", "[", "./*", "'a'", '"', "\\a", "a ", "${", "|a"):
        text = "echo " + part * (65_536 // len(part))
        try:
            commands.parse(text)
        except ValueError:
            continue
