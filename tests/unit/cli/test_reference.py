"""The pages of settings and of commands are what the declarations say."""

from pathlib import Path
from typing import Any

from cli import main, reference
from cli.console import reference as commands
from config.settings.settings import FLAGS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_page_of_settings_is_up_to_date() -> None:
    """`python -m cli.reference > docs/settings.md` after a change of a setting."""
    assert PAGE.read_text("utf-8") == reference.markdown()


def test_every_setting_has_a_row() -> None:
    """No setting is left undocumented."""
    page = reference.markdown()

    for flag in FLAGS:
        assert f"| `{flag.option}` | `{flag.env}` |" in page


def test_the_page_of_commands_is_up_to_date() -> None:
    """`python -m cli.console.reference > docs/cli.md` after a change of the grammar."""
    page = PAGE.with_name("cli.md")
    assert page.read_text("utf-8") == commands.markdown()


def test_the_commands_of_the_page_are_those_of_the_program() -> None:
    """With the same arguments, help aside."""
    (subparsers,) = main.parser()._subparsers._group_actions  # type: ignore[union-attr]
    known: Any = subparsers.choices
    for name, parser in commands.commands().items():
        shown = {action.dest for action in parser._actions}
        assert {a.dest for a in known[name]._actions} - shown == {"help", "parent_pid"}
