"""docs/reference/commands.md is what the commands' parsers give."""

from __future__ import annotations

from commands_page import PAGE, page


def test_the_page_is_what_the_parsers_give():
    assert PAGE.read_text("utf-8") == page(), "run python tests/support/commands_page.py"
