"""tgenn_runtime/ in a project: :mod:`tgenn_gen.runtime`, byte for byte, and its hashes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tgenn_gen.files.checksums import checksum_lines
from tgenn_gen.runtime import projects

RUNTIME = "tgenn_runtime"
RUNTIME_SUMS = f"{RUNTIME}/SHA256SUMS"


@cache
def runtime_files() -> dict[str, bytes]:
    """{path in a project: content}."""
    folder = Path(projects.__file__).parent
    sources = sorted(path for path in folder.iterdir() if path.suffix in (".py", ".h"))
    files = {f"{RUNTIME}/{path.name}": path.read_bytes() for path in sources}
    return {**files, RUNTIME_SUMS: checksum_lines(files).encode()}
