"""The page of settings is what the declarations say."""

from pathlib import Path

from cli import reference
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
