"""Names to identifiers in Python, C++ and GeNN."""

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


def identifiers_of(names: list[str]) -> dict[str, str]:
    """{name: an identifier in Python, C++ and GeNN}, all distinct."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if base[0].isdigit() or keyword.iskeyword(base) or base in CPP_KEYWORDS:
            base = f"_{base}"
        found[name] = unique(base, taken)
    return found


def unique(base: str, taken: set[str]) -> str:
    """`base`, numbered if it is taken; taken from then on."""
    identifier, number = base, 2
    while identifier in taken:
        identifier, number = f"{base}_{number}", number + 1
    taken.add(identifier)
    return identifier
