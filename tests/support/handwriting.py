"""Documents as people write them: keys in any order, numbers spelt otherwise, comments everywhere."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Hand:
    """Writes data as YAML. `comments` holds those that it wrote: each ends in ;, and names the key it is at.

    It names no key where it is not at one: before the first of all, or between a dash and its item.
    """

    rng: random.Random
    often: float  # how often there is a comment where one can be
    comments: list[str] = field(default_factory=list)

    def document(self, data: dict[str, Any]) -> str:
        head = self.own("", 0)
        return "\n".join([*head, *self.block(data, 0), *self.own("", 3)]) + "\n"

    def comment(self, key: str) -> str:
        if self.rng.random() >= self.often:
            return ""
        at = f" at {key}:" if key else ""
        odd = self.rng.choice(["[", "a: b #", "- x", "{'", '"'])
        self.comments.append(f"#{len(self.comments)} {odd}{at};")
        return self.comments[-1]

    def behind(self, key: str) -> str:
        comment = self.comment(key)
        return f"{' ' * self.rng.randint(1, 3)}{comment}" if comment else ""

    def own(self, key: str, indent: int) -> list[str]:
        lines = [f"{' ' * indent}{comment}" for _ in range(2) if (comment := self.comment(key))]
        return [*lines, ""] if lines and self.rng.random() < 0.3 else lines

    def block(self, data: Any, indent: int, first: str | None = "") -> list[str]:
        """Lines; first: the key that comments before the first line are said to be at, None for its own."""
        lines: list[str] = []
        for number, (key, value) in enumerate(self.entries(data)):
            named = key or ""
            lines += self.own(first if number == 0 and first is not None else named, indent)
            start = " " * indent + (f"{self.text(key)}:" if key else "-")
            inline = not isinstance(value, dict | list) or not value or self.rng.random() < 0.3
            if inline:
                shown = self.flow(value, indent + 2)
                lines.append(f"{start} {shown}{self.behind(named if is_one_line(value) else '')}")
            elif key:
                lines += [f"{start}{self.behind(named)}", *self.block(value, indent + 2, None)]
            else:
                item = self.block(value, indent + 2)
                lines += [f"{start} {item[0].lstrip()}", *item[1:]]
        return lines

    def entries(self, data: Any) -> list[tuple[str | None, Any]]:
        if isinstance(data, list):
            return [(None, item) for item in data]
        return self.rng.sample(list(data.items()), len(data))

    def flow(self, data: Any, indent: int) -> str:
        if not isinstance(data, dict | list):
            return self.scalar(data)
        written, before = "", ""
        for key, value in self.entries(data):
            written += before
            if self.rng.random() < 0.2:
                written += "\n".join(["", *self.own(key or "", indent), " " * indent])
            written += (f"{self.text(key)}: " if key else "") + self.flow(value, indent)
            before = ", "
            if self.rng.random() < 0.3 and (
                comment := self.behind(key if key and is_one_line(value) else "")
            ):
                before = f",{comment}\n{' ' * indent}"
        if before.strip(", "):
            written += before
        return ("{%s}" if isinstance(data, dict) else "[%s]") % written

    def scalar(self, value: Any) -> str:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or value is None:
            return json.dumps(value)
        if isinstance(value, int):
            return self.rng.choice([str(value), f"{value:+d}", f"{value:04d}"])
        spelt = [repr(value), f"{value:.17e}", f"{value:+.17g}"]
        return self.rng.choice([s for s in spelt if float(s) == value])

    def text(self, value: str) -> str:
        ways = [json.dumps(value)]
        if "\n" not in value:
            ways.append("'" + value.replace("'", "''") + "'")
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", value) and value not in ("true", "null"):
            ways += 3 * [value]
        return self.rng.choice(ways)


def is_one_line(value: Any) -> bool:
    """Whether the canonical form has it on the line of its key."""
    if isinstance(value, dict):
        return not any(isinstance(v, dict | list) for v in value.values())
    return not isinstance(value, list) or not any(isinstance(v, dict | list | str) for v in value)
