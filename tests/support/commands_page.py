"""docs/reference/commands.md, made from the parsers: `python tests/support/commands_page.py` writes it."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields, is_dataclass
from pathlib import Path

from tgenn_gen.cli.command_parser import CommandParser
from tgenn_gen.cli.main import GROUPS
from tgenn_gen.conversion.methods import PRESETS, Method

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "commands.md"
EVERYWHERE = ("help", "quiet", "verbose", "version")  # options that the introduction explains
MARKS = {  # what the test of the pages has to know about an example
    "tgenn demo": "not run: it takes a minute",
    "tgenn diff": "exits with 1",
    "tgenn verify": "exits with 1",  # an example above set a threshold
    "tgenn sweep": "not run: it needs a sweep.yaml",
    "tgenn frames": "not run: it needs an events.npz",
    "tgenn git-setup": "not run: it needs a git repository",
}
INTRODUCTION = """\
All commands of `tgenn` and their options. `tgenn COMMAND --help` prints the same on the terminal.
`tests/support/commands_page.py` makes this page from the commands themselves.

The examples use the model and the folder `mnist` of the [tutorial](../tutorial.md).

Every command has these options:

| option | what it does |
|---|---|
| `-h`, `--help` | print the command's options and exit |
| `-q`, `--quiet` | print only results and errors |
| `-v`, `--verbose` | print each step of the work with its time, on stderr |

`tgenn --version` prints the version. Results go to stdout, errors to stderr.
[Diagnostics](diagnostics/index.md) lists the errors and the exit statuses.

In the tables, `SPEC` is a `network.yaml` or the folder that holds one. An option without a value is a
switch."""


def value(action: argparse.Action) -> str:
    """What stands after an option; "" for a switch."""
    if action.nargs == 0:
        return ""
    if action.choices:
        return ", ".join(f"`{choice}`" for choice in action.choices)
    return f"`{action.metavar or action.dest.upper()}`"


def row(action: argparse.Action) -> str:
    """An argument's or option's line in a table; its help may end with its default."""
    text = (action.help or "") % vars(action)
    default = re.search(r" \(default: (.+)\)$", text)
    text = text.removesuffix(default[0]) if default else text
    by_default = "required" if action.required else default[1] if default else ""
    if not action.option_strings:
        return f"| `{action.metavar}` | | {by_default} | {text} |"
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    return f"| {names} | {value(action)} | {by_default} | {text} |"


def synopsis(command: CommandParser) -> str:
    """The command with its arguments and the options that it needs."""
    words = [command.prog]
    for action in command._get_positional_actions():
        name = str(action.metavar)
        words.append({"?": f"[{name}]", "+": f"{name} [{name} ...]"}.get(str(action.nargs), name))
    for action in command._get_optional_actions():
        if action.required:
            words.append(f"{action.option_strings[0]} {action.metavar}")
    return " ".join([*words, "[OPTIONS]"])


def section(command: CommandParser) -> list[str]:
    """A command's description, example and options."""
    lines = [f"### {command.prog}", "", str(command.description), "", f"    {synopsis(command)}", ""]
    if command.prog in MARKS:
        lines.append(f"<!-- {MARKS[command.prog]} -->")
    lines += ["```sh", command.example, "```", ""]
    rows: list[str] = []
    for group in command._action_groups:
        actions = [action for action in group._group_actions if action.dest not in EVERYWHERE]
        if group.description:
            rows += ["", f"{str(group.title).capitalize()}: {group.description}.", ""]
        if actions and (group.description or not rows):
            rows += ["| argument or option | value | default | what it does |", "|---|---|---|---|"]
        rows += map(row, actions)
    return [*lines, *rows, ""] if rows else lines


def setting(value: object) -> str:
    """A value of a preset; of neurons and encodings all fields."""
    if not is_dataclass(value):
        if isinstance(value, tuple) and value:
            return ",".join(value)
        return {"None": "as `neuron`", "()": "none", "True": "yes", "False": "no"}.get(str(value), str(value))
    named = {f.name: getattr(value, f.name) for f in fields(value)}
    return ", ".join([value.kind, *(f"{name} {field}" for name, field in named.items() if field is not None)])


def presets() -> list[str]:
    """The table of what each preset sets, by the names of Method's fields."""
    rows = [[f"`{f.name}`", *(setting(getattr(p, f.name)) for p in PRESETS.values())] for f in fields(Method)]
    head = [["", *(f"`{name}`" for name in PRESETS)], ["---"] * (len(PRESETS) + 1)]
    return ["### Presets", "", *(f"| {' | '.join(row)} |" for row in [*head, *rows]), ""]


def page() -> str:
    """The whole page."""
    lines = ["# Commands", "", INTRODUCTION, ""]
    commands = CommandParser(prog="tgenn").add_subparsers(prog="tgenn", parser_class=CommandParser)
    for title, group in GROUPS.items():
        lines += [f"## {title.capitalize()}", ""]
        for module in group:
            module.add(commands)
            command = [*commands.choices.values()][-1]
            command.add_all_options()
            lines += section(command)
            if command.prog == "tgenn export":
                lines += presets()
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
