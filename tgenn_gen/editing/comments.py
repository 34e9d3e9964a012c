"""Comments in YAML: where they stand in one text, and the same comments in another.

A round-trip library such as ruamel.yaml loses comments inside of lists in brackets, and those on lines of
their own stay behind when the key below them moves. Here a comment belongs to a path in the document: one
behind something, to the last key or list item before it; one on a line of its own, to the next.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from tgenn_gen.document.source import Source, parse_source
from tgenn_gen.network.problems import PathInDocument

_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML 1.1 has them
_BEFORE_SOMETHING = (yaml.BlockEntryToken, yaml.DocumentStartToken, yaml.KeyToken)


@dataclass(frozen=True)
class Comment:
    """A comment's text, from # to the end of its line; line and column count from 1.

    behind: whether it follows something on its line, other than a dash.
    """

    text: str
    line: int
    column: int
    behind: bool


def comments_of(text: str) -> Iterator[Comment]:
    """All comments of a YAML text, in its order: they stand between its tokens."""
    tokens = yaml.scan(text, Loader=yaml.SafeLoader)
    last = next(tokens)
    for token in tokens:
        is_end = isinstance(token, yaml.StreamEndToken)
        if token.start_mark.index == token.end_mark.index and not is_end:
            continue  # the start or end of a block: it stands nowhere
        yield from _in_gap(text[last.end_mark.index : token.start_mark.index], last)
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
            yield from _in_header(text[token.start_mark.index : token.end_mark.index], token)
        last = token


def _in_gap(gap: str, before: yaml.Token) -> Iterator[Comment]:
    """The comments in the text behind a token and before the next."""
    for number, line in enumerate(_LINE_END.split(gap)):
        start, mark, comment = line.partition("#")
        if mark:
            column = 0 if number else before.end_mark.column
            behind = column > 0 and not isinstance(before, _BEFORE_SOMETHING)
            place = before.end_mark.line + number + 1, column + len(start) + 1
            yield Comment(f"#{comment}".rstrip(), *place, behind)


def _in_header(block: str, token: yaml.Token) -> Iterator[Comment]:
    """The comment behind the | or > of a text that follows on lines of its own."""
    start, mark, comment = _LINE_END.split(block, maxsplit=1)[0].partition("#")
    if mark:
        place = token.start_mark.line + 1, token.start_mark.column + len(start) + 1
        yield Comment(f"#{comment}".rstrip(), *place, behind=True)


def with_comments(text: str, source: Source) -> str:
    """A YAML text of one line for each entry, without comments, with those of `source` at the same paths.

    What stands before all entries of the source stays at the top, what stands behind them all at the end.
    Where a path is not there any more, its comments go to the one around it.
    """
    above: dict[int, list[str]] = defaultdict(list)  # by line of `text`, from 1; 0: at the top
    behind: dict[int, list[str]] = defaultdict(list)
    starts = _starts(source)
    lines = {path: line for (line, _), path in _starts(parse_source(text, source.file))}
    for comment in comments_of(source.text):
        index = bisect(starts, (comment.line, comment.column), key=lambda start: start[0])
        line = _end(text)
        if index == 0:
            line = 0
        elif comment.behind or index < len(starts):
            line = _nearest(lines, starts[index - comment.behind][1])
        (behind if comment.behind and line else above)[line].append(comment.text)
    done = above[0]
    for number, content in enumerate(text.split("\n"), 1):
        indent = content[: len(content) - len(content.lstrip(" "))]
        done += [f"{indent}{comment}" for comment in above[number]]
        done.append("  ".join([content, *behind[number]]))
    return "\n".join(done)


def _end(text: str) -> int:
    """The number of the empty line behind a text that ends a line."""
    return text.count("\n") + 1


def _starts(source: Source) -> list[tuple[tuple[int, int], PathInDocument]]:
    """Where each key and each item of a list starts, and its path; outer ones before inner ones."""
    items = {path: place for path, place in source.values.items() if path and isinstance(path[-1], int)}
    found = [(place, path) for path, place in {**items, **source.keys}.items()]
    return sorted(found, key=lambda start: (start[0], len(start[1])))


def _nearest(lines: dict[PathInDocument, int], path: PathInDocument) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)
