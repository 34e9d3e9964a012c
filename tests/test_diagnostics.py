"""The reference of diagnostics describes each code that the package uses, and no other."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs/reference/diagnostics"
GROUPS = "1234567"


def used_codes() -> set[str]:
    """All codes that stand in the package's source, as strings of their own."""
    sources = [path.read_text("utf-8") for path in (ROOT / "tgenn_gen").rglob("*.py")]
    return {code for text in sources for code in re.findall(r'"(T\d{3})"', text)}


def described_codes() -> Counter[str]:
    """How many headings each code has."""
    pages = [path.read_text("utf-8") for path in PAGES.glob("*.md")]
    return Counter(code for text in pages for code in re.findall(r"^## (T\d{3}) ", text, re.MULTILINE))


@pytest.mark.parametrize("group", GROUPS)
def test_each_code_has_one_heading_in_the_reference(group):
    def of_group(codes):
        return sorted(code for code in codes if code[1] == group)

    assert of_group(described_codes().elements()) == of_group(used_codes())


def test_all_codes_are_of_a_known_group():
    assert {code[1] for code in used_codes()} == set(GROUPS)


def test_each_entry_has_a_cause_and_a_remedy():
    for path in PAGES.glob("*.md"):
        for entry in re.split(r"^## ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            if re.match(r"T\d{3} ", entry):
                where = f"{path.name}: {entry.splitlines()[0]}"
                assert "\n**Cause.** " in entry and "\n**Remedy.** " in entry, where
