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
    items = [*items]
    line = f"{{{', '.join(items)}}}{after}"
    return (line,) if len(line) <= WIDTH - indent else ("{", *_one_a_line(items), f"}}{after}")


def _one_a_line(parts: Iterable[str]) -> list[str]:
    return [f"    {part}," for part in parts]
