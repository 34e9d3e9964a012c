"""Turns names into identifiers that are valid in Python, C++ and GeNN."""

from __future__ import annotations

import keyword
import re

# ISO C++20, table of keywords [lex.key] and alternative tokens [lex.digraph]
CPP_KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
    char32_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
    constinit continue decltype default delete do double dynamic_cast else enum explicit export extern
    false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr
    operator or or_eq private protected public register reinterpret_cast requires return short signed
    sizeof static static_assert static_cast struct switch template this thread_local throw true try
    typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq
    """.split()
)


def identifiers_of(names: list[str], taken: set[str]) -> dict[str, str]:
    """{name: its identifier}, all distinct and not in `taken`, to which they are added."""
    found: dict[str, str] = {}
    for name in names:
        found[name] = unique(identifier(name), taken)
    return found


def identifier(name: str) -> str:
    """The name as an identifier: other characters become _."""
    base = re.sub(r"[^A-Za-z0-9_]", "_", name)
    reserved = keyword.iskeyword(base) or base in CPP_KEYWORDS
    return f"_{base}" if reserved or not base or base[0].isdigit() else base


def unique(base: str, taken: set[str]) -> str:
    """`base`, with a number if it is taken; the result is added to `taken`."""
    identifier, number = base, 2
    while identifier in taken:
        identifier, number = f"{base}_{number}", number + 1
    taken.add(identifier)
    return identifier
