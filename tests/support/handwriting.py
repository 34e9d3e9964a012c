"""Documents as people write them: keys in any order, any indentation, numbers spelt otherwise, comments."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Hand:
    """Writes data as YAML. `comments` holds those that it wrote."""

    rng: random.Random
    often: float  # how often there is a comment where one can be
    comments: list[str] = field(default_factory=list)

    def document(self, data: dict[str, Any]) -> str:
        lines = [*self.own(0), *self.block(data, 0), *self.own(3), ""]
        return self.rng.choice(["\n", "\n", "\r\n"]).join(lines)

    def comment(self) -> str:
        if self.rng.random() >= self.often:
            return ""
        self.comments.append(f"#{len(self.comments)} " + self.rng.choice(["[", "a: b #", "- x:", "{'", '"']))
        return self.comments[-1]

    def behind(self) -> str:
        comment = self.comment()
        return f"{' ' * self.rng.randint(1, 3)}{comment}" if comment else ""

    def own(self, indent: int) -> list[str]:
        lines = [f"{' ' * indent}{comment}" for _ in range(2) if (comment := self.comment())]
        return [*lines, ""] if self.rng.random() < 0.3 * self.often else lines

    def block(self, data: Any, indent: int) -> list[str]:
        lines: list[str] = []
        for key, value in self.entries(data):
            lines += self.own(indent)
            start = " " * indent + ("-" if key is None else f"{self.text(key)}:")
            gap = self.rng.randint(1, 3)
            if not isinstance(value, dict | list) or not value or self.rng.random() < 0.3:
                lines.append(f"{start}{' ' * gap}{self.flow(value, indent + 2)}{self.behind()}")
            elif key is None:
                first, *others = self.block(value, indent + 1 + gap)
                lines += [f"{start}{' ' * gap}{first.lstrip()}", *others]
            else:
                deeper = gap if isinstance(value, dict) else gap - 1  # the dashes may stand below the key
                lines += [f"{start}{self.behind()}", *self.block(value, indent + deeper)]
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
                written += "\n".join(["", *self.own(indent), " " * indent])
            written += ("" if key is None else f"{self.text(key)}: ") + self.flow(value, indent)
            before = self.rng.choice([", ", ",", " , "])
            if self.rng.random() < 0.3 and (comment := self.behind()):
                before = f",{comment}\n{' ' * indent}"
        if "#" in before:
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
