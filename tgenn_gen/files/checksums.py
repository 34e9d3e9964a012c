"""Lines of `sha256sum`: hashes of files, which `sha256sum -c` checks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def checksum_lines(files: Mapping[str, bytes]) -> str:
    """A line a file, sorted by path."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))


def checksums(text: str) -> dict[str, str]:
    """{path: sha256} of the lines that are such lines."""
    lines = (LINE.fullmatch(line) for line in text.splitlines())
    return {line[2]: line[1] for line in lines if line}
