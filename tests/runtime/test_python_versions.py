"""The Python that scripts and tgenn_runtime/ need: 3.9, older than tgenn's own; older ones are told."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from golden import GENERATED

from tgenn_gen.runtime import projects

OLDEST = (3, 9)
RUNTIME = Path(projects.__file__).parent
FILES = sorted([*RUNTIME.glob("*.py"), *GENERATED.glob("*/*.py")])
NEWER = {"pairwise", "bit_count", "TypeAlias", "ParamSpec", "Concatenate", "TypeGuard", "Self", "override"}
NEWER_OPTIONS = {"zip": "strict", "dataclass": "slots", "write_text": "newline"}


def newer_than_3_9(text: str) -> list[str]:
    """What Python 3.9 does not have: syntax (SyntaxError), `int | str` where it is run, options and names."""
    tree = ast.parse(text, feature_version=OLDEST)
    notes = {
        inner
        for node in ast.walk(tree)
        for part in ("annotation", "returns")
        if (found := getattr(node, part, None))
        for inner in ast.walk(found)
    }
    delayed = "from __future__ import annotations" in text
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            types = [n for n in (node.left, node.right) if ast.unparse(n) in ("int", "str", "float", "None")]
            if types and not (delayed and node in notes):
                found.append(ast.unparse(node))
        if isinstance(node, ast.Call):
            option = NEWER_OPTIONS.get(ast.unparse(node.func).rpartition(".")[2])
            found += [ast.unparse(node) for keyword in node.keywords if keyword.arg == option and option]
        name = getattr(node, "attr", getattr(node, "name", ""))
        found += [name] if name in NEWER else []
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_scripts_and_the_runtime_use_nothing_newer_than_python_3_9(path):
    assert newer_than_3_9(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "match 1:\n    case 1: pass",
        "def f(x: int | None): pass",
        "isinstance(1, int | str)",
        "zip([], [], strict=True)",
        "from typing import TypeAlias",
        "from itertools import pairwise",
        "from __future__ import annotations\nNumber = int | float",
    ],
)
def test_what_is_newer_is_found(text):
    try:
        assert newer_than_3_9(text)
    except SyntaxError:
        assert text.startswith("match")
    assert not newer_than_3_9(
        "from __future__ import annotations\ndef f(x: int | None) -> str | None: return 1 | 2"
    )


@pytest.mark.parametrize("script", ["simulate.py", "reference.py"])
@pytest.mark.parametrize(("version", "status"), [((3, 6, 9), 3), ((3, 8, 18), 3), ((3, 9, 0), 0)])
def test_an_older_python_is_told_which_one_the_scripts_need(script, version, status):
    """The version is the running Python's in all but name; NumPy is imported before it changes."""
    code = (
        "import dataclasses, runpy, sys, numpy, numpy.random\n"
        "sys.version_info = {0!r}\nsys.argv = [{1!r}, '--help']\nrunpy.run_path({1!r}, run_name='__main__')"
    )
    path = GENERATED / "small_cnn" / script
    folder = f"import sys; sys.path.insert(0, {str(path.parent)!r})\n"
    command = [sys.executable, "-B", "-c", folder + code.format(version, str(path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if status:
        found = ".".join(map(str, version))
        said = f"error: this script needs Python 3.9 or newer, found {found}\n"
        assert (done.returncode, done.stderr) == (status, said)
    else:
        assert "Python 3.9" not in done.stderr
