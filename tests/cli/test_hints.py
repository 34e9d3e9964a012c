"""Hints name Python arguments, and the command line prints them as its options."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgenn_gen.cli.main import parser
from tgenn_gen.errors import ARGUMENT, Diagnostic

PACKAGE = Path(__file__).parent.parent.parent / "tgenn_gen"
SPEAKERS = {  # the commands that print the hints of a module or folder, with what they need
    "conversion": ["export m.keras -o n"],
    "document": ["check n", "show n", "generate n", "evaluate n --data d.npz", "diff n n"],
    "analysis/verification.py": ["verify n --data d.npz", "report n"],
    "analysis/verification_report.py": ["export m.keras -o n"],  # a verdict says how to convert again
    "project/writing.py": ["export m.keras -o n", "generate n"],
    "project/example_files.py": ["data n d.npz"],
    "project/event_": ["frames e.npz -o f.npz --sensor 34x34 --frames 8"],
}
NOT_OF_GENERATE = "--output"  # it writes beside the document, and never prints that hint
NO_HINTS = ("cli", "runtime", "keras_reader/supported_layers.py")  # the last: a table of layers, in Markdown


def strings(tree: ast.AST) -> Iterator[str]:
    """The strings of a module, without docstrings."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def hints() -> list[tuple[str, str]]:
    """(module, `argument` or `argument=value`) of all hints."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if not module.startswith(NO_HINTS):
            texts = strings(ast.parse(path.read_text("utf-8")))
            found += [(module, match[0]) for text in texts for match in ARGUMENT.finditer(text)]
    return sorted(set(found))


def as_option(argument: str) -> str:
    text = Diagnostic.at("options", "T408", "message", argument).for_command_line()
    return text.split("hint: ")[1]


def test_there_are_hints():
    assert ("conversion/method_check.py", "`readout='spike_count'`") in hints()


@pytest.mark.parametrize(("module", "argument"), hints())
def test_an_argument_in_a_hint_is_an_option_of_the_commands_that_print_it(module, argument):
    speakers = next(commands for place, commands in SPEAKERS.items() if module.startswith(place))
    option = as_option(argument)
    for command in speakers:
        if option == NOT_OF_GENERATE and command.startswith("generate"):
            continue
        words = command.split()
        top = parser()
        top.parse_args(words)  # adds the options that wait
        commands = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
        assert option.split()[0] in commands.choices[words[0]]._option_string_actions, command
        if "=" in argument:
            top.parse_args([*words, *option.split()])


@pytest.mark.parametrize(
    ("argument", "option"),
    [
        ("`readout='spike_count'`", "--readout spike_count"),
        ("`corrections=('offset',)`", "--correct offset"),
        ("`corrections=()`", "--correct none"),
        ("`per_channel=False`", "--no-per-channel"),
        ("`force=True`", "--force"),
        ("`folder`", "--output"),
    ],
)
def test_python_and_the_command_line_have_their_own_words(argument, option):
    found = Diagnostic.at("options", "T408", "message", f"use {argument}")
    assert str(found).endswith(f"hint: use {argument}")
    assert found.for_command_line().endswith(f"hint: use {option}")
    assert found.data()["hint"] == f"use {option}"


def test_no_text_outside_the_command_line_names_an_option():
    """But for whole commands (tgenn templates --eject DIR), git's, and two options of simulate.py."""
    commands = ("tgenn templates --eject", "tgenn sweep --scheduler", "--no-filters")
    allowed = (*commands, "--connectivity", "--save-outputs")
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if module.startswith((*NO_HINTS, "errors.py", "project/git_", "diff/revisions.py", "sweep/tasks.py")):
            continue
        for text in strings(ast.parse(path.read_text("utf-8"))):
            if re.search(r"(^|\s)--[a-z]", text) and not any(words in text for words in allowed):
                found.append(f"{module}: {text}")
    assert not found
