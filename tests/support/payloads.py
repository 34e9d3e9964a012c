"""Text that strangers could put into a document, and what it must not change in generated code."""

from __future__ import annotations

import ast
import re
from itertools import zip_longest
from typing import Any

from tgenn_gen.codegen.identifiers import CPP_KEYWORDS

HOSTILE = [  # none of them is a name, or a path of weights
    'x"); import os; os.system("touch pwned")#',
    "'''",
    '"""',
    "a\nb",
    "a\rb",
    "a\x85b",
    "a\u2028b",
    "a\0b",
    "\u0430bc",  # a Cyrillic letter
    "\uff02a\uff02",  # fullwidth quotes
    "a\u202eb",  # what follows is shown from right to left
    "{{ 7*7 }}",
    "{% raw %}",
    "*/",
    "??/",
    "a\\",
    "a\\\nb",
    "#include <x>",
    "a: b",
    "- a",
    "*a",
    "&a",
    "!!python/object/apply:os.system",
    "\x1b[31ma",
    "a\x9b31m",
    "$(touch pwned)",
    "`touch pwned`",
    "\ud800",  # half a character
    "\ufeffa",
    "%n",
]
NAMES = """
    class import template int model simulate np main std None self __import__ __name__ __FILE__ NULL EOF
    weights examples steps timesteps numbers current latency name matrix kernel pygenn null true no y 1e5 0x1F
    1_000 12 1.5 a.b a-b a_b a--b a_to_b b_neurons a_course a_sparse _ __ _A x. x- output spike_counts
    lambda async match print exec eval errno stdin unix linux signed asm and xor
""".split()

_WORD = re.compile("plain[a-z]{2}x")  # what stands in the benign neighbour for names
_RUN = re.compile("[A-Za-z0-9_]*plain[a-z]{2}x[A-Za-z0-9_]*")
_CPP = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<code>[A-Za-z_]\w*|\d[\w.+-]*|\S)""",
    re.DOTALL,
)


def plain_words(count: int) -> list[str]:
    """Names that are like nothing else."""
    return [f"plain{chr(97 + i // 26)}{chr(97 + i % 26)}x" for i in range(count)]


def python_tokens(text: str) -> list[tuple[str, str]]:
    """The syntax tree of Python code, flat: kinds of nodes, identifiers, strings, other constants."""
    found = []

    def walk(value: Any, name: str = "") -> None:
        if isinstance(value, ast.AST):
            found.append(("code", type(value).__name__))
            for field, inner in ast.iter_fields(value):
                is_name = field in ("id", "arg", "name", "asname")
                walk(inner, "identifier" if is_name else field)
        elif isinstance(value, list):
            found.append(("code", f"[{len(value)}"))
            for inner in value:
                walk(inner, name)
        else:
            kind = {"identifier": "identifier", "value": "string", "attr": "attribute"}.get(name, "code")
            found.append((kind, value if isinstance(value, str) else repr(value)))

    walk(ast.parse(text))
    return found


def cpp_tokens(text: str) -> list[tuple[str, str]]:
    """The tokens of C++ code and its comments; trigraphs and continued lines as a compiler has them."""
    text = text.replace("??/", "\\").replace("\\\n", "")
    tokens: list[tuple[str, str]] = []
    for found in _CPP.finditer(text):
        kind = "identifier" if found.lastgroup == "code" and found[0].isidentifier() else str(found.lastgroup)
        if (
            kind == "comment" and tokens and tokens[-1][0] == "comment"
        ):  # lines are broken where they are long
            tokens[-1] = ("comment", f"{tokens[-1][1]} {found[0].lstrip('/ ')}")
        else:
            tokens.append((kind, found[0]))
    return tokens


def assert_same_code(script: str, found: str, plain: str) -> None:
    """Code differs from its neighbour's, of plain words, in names alone; no name hides another."""
    tokens = cpp_tokens if script.endswith((".cc", ".h")) else python_tokens
    hashes_and_other_names = r'[0-9a-f]{64}|^    net\.rename\(\w+, "[A-Za-z0-9_.-]+"\)\n'
    found, plain = (re.sub(hashes_and_other_names, "", text, flags=re.M) for text in (found, plain))
    renamed: dict[str, str] = {}
    others = set()
    for (kind, new), (old_kind, old) in zip_longest(tokens(found), tokens(plain), fillvalue=("", "")):
        assert kind == old_kind, (new, old)
        if kind in ("identifier", "attribute") and _WORD.search(old):
            assert re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", new) and new not in CPP_KEYWORDS, new
            assert renamed.setdefault(old, new) == new, old
        elif kind in ("string", "comment") and _WORD.search(old):
            parts = map(re.escape, _RUN.split(old))
            assert re.fullmatch("[A-Za-z0-9_.-]+".join(parts), new), (new, old)
        else:
            assert new == old, (new, old)
            others |= {old} if kind == "identifier" else set()
    assert len(set(renamed.values())) == len(renamed), renamed
    hidden = (others - {"V", "spikes", "steps"}) & set(renamed.values())  # parameters of a lambda
    assert not hidden, hidden


def assert_printable(text: str) -> None:
    """No control characters, nothing that steers a terminal or turns the text around."""
    strange = {c for c in text.replace("\n", "") if not c.isprintable()}
    assert not strange, (strange, text)
