"""tgenn_runtime.h, compiled into the program that cpp_runtime.cc is."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent
HEADER = SUPPORT.parent.parent / "tgenn_gen" / "runtime" / "tgenn_runtime.h"
OPTIMIZED = "-O1" if os.environ.get("CI") else "-O0"  # more warnings, or half the time
FLAGS = ["-std=c++17", OPTIMIZED, "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler, g++")


@cache
def program() -> Path:
    """The program, compiled once for all processes; with sanitizers where the compiler has them."""
    code = b"".join(file.read_bytes() for file in (HEADER, SUPPORT / "cpp_runtime.cc"))
    key = hashlib.sha256(repr(FLAGS).encode() + code).hexdigest()
    path = Path(os.environ["KEPT_OBJECTS"]) / f"cpp_runtime_{key}"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["g++", *FLAGS, f"-I{HEADER.parent}", str(SUPPORT / "cpp_runtime.cc"), "-o", str(path)]
        if not path.exists() and subprocess.run([*command, *SANITIZED], capture_output=True).returncode:
            subprocess.run(command, check=True)
    return path


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """The program's end."""
    command = [str(program()), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, timeout=20, **options)


def done(*arguments: object, **options: object) -> bytes:
    """What the program prints."""
    ended = run(*arguments, **options)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout


def refused(*arguments: object, **options: object) -> str:
    """What the program says, in one line, when it fails."""
    ended = run(*arguments, **options)
    said = ended.stderr.decode()
    assert (ended.returncode, ended.stdout, said.count("\n")) == (2, b"", 1), said
    return said.removesuffix("\n")
