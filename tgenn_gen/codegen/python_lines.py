"""Formats lines of Python as ruff does: one line if it fits, else one argument per line."""

from __future__ import annotations

import ast
from collections.abc import Iterable

WIDTH = 110  # columns


def call_lines(before: str, call: str, after: str = "", *, indent: int) -> tuple[str, ...]:
    """`before` + a call + `after`, as lines without their first `indent` columns."""
    if len(before) + len(call) + len(after) <= WIDTH - indent:
        return (f"{before}{call}{after}",)
    tree = ast.parse(call, mode="eval").body
    assert isinstance(tree, ast.Call)
    function = ast.get_source_segment(call, tree.func)
    arguments = [ast.get_source_segment(call, a) or "" for a in tree.args]
    arguments += [
        f"{f'{k.arg}=' if k.arg else '**'}{ast.get_source_segment(call, k.value)}" for k in tree.keywords
    ]
    return (f"{before}{function}(", *_one_a_line(arguments), f"){after}")


def dict_lines(items: Iterable[str], after: str, *, indent: int) -> tuple[str, ...]:
    """A dict of these items, each `key: value` or `**mapping`, and `after`, in the same way."""
    return _display_lines("{", items, f"}}{after}", indent)


def list_lines(before: str, items: Iterable[str], after: str, *, indent: int) -> tuple[str, ...]:
    """`before` + a list of these items + `after`, in the same way."""
    return _display_lines(f"{before}[", items, f"]{after}", indent)


def _display_lines(opening: str, items: Iterable[str], closing: str, indent: int) -> tuple[str, ...]:
    items = [*items]
    line = f"{opening}{', '.join(items)}{closing}"
    return (line,) if len(line) <= WIDTH - indent else (opening, *_one_a_line(items), closing)


def _one_a_line(parts: Iterable[str]) -> list[str]:
    return [f"    {part}," for part in parts]
