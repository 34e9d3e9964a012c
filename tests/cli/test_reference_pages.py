"""Pages of the reference that list everything: commands.md, layers.md and python.md."""

from __future__ import annotations

import re

import commands_page

import tgenn_gen
from tgenn_gen.cli.main import main

LAYERS_PAGE = commands_page.PAGE.with_name("layers.md")
PYTHON_PAGE = commands_page.PAGE.with_name("python.md")


def test_the_page_of_commands_is_what_the_parsers_give():
    page = commands_page.PAGE.read_text("utf-8")
    assert page == commands_page.page(), "run python tests/support/commands_page.py"


def test_the_page_on_layers_has_the_table_that_the_command_prints(capsys):
    assert main(["layers"]) == 0
    assert f"\n{capsys.readouterr().out}\n" in LAYERS_PAGE.read_text("utf-8")


def test_the_page_on_python_has_every_public_name():
    listed = re.findall(r"^::: tgenn_gen\.(\w+)$", PYTHON_PAGE.read_text("utf-8"), re.M)
    assert sorted(listed) == sorted(set(tgenn_gen.__all__) - {"__version__"})
