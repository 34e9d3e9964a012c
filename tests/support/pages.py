"""Pages of Markdown, whose code blocks are run as a reader would run them.

Blocks of sh and python run in order, in the page's own folder. A `text` block after one is its output. A
block with a title is that file: it is written if the file does not exist, else it must be an excerpt of it.
A diff changes the file. Comments in the line before a block: `<!-- exits with 1 -->`, `<!-- needs: genn -->`,
`<!-- not run: REASON -->`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from anns import data_file
from cpp_models import HAS_GENN_SOURCE, alone_with_genn

DATA = data_file("mnist.npz")
FENCE = re.compile(r'```(sh|python|text|diff|yaml|json|jinja|cpp)(?: title="(.+)")?')
COMMENT = re.compile(r"<!-- (exits with|needs|not run|tests|demo)(?:[: ] ?(.+?))? -->")
NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
TOKEN = re.compile(rf"(\s+|\.\.\.|(?<![\w.]){NUMBER}(?!\w))")  # conv2d_1 and sha256 are names, no numbers
DOWNLOAD = "keras.datasets.mnist.load_data()"
TRAINING = "model.fit(x_train[..., None] / 255, y_train, epochs=2, batch_size=128)"
OFFLINE = f"[[np.load({str(DATA)!r})[f'{{a}}_{{part}}'] for a in 'xy'] for part in ('train', 'test')]"
ELSEWHERE = {"not run", "tests", "demo"}  # .ci/run runs the README's tests and demo
SCRIPTS = Path(sys.executable).parent
MPIEXEC = shutil.which("mpiexec", path=f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
AVAILABLE = {
    "genn": find_spec("pygenn") is not None,
    "genn_cpp": HAS_GENN_SOURCE,
    "dask": find_spec("distributed") is not None,
    "mpi": MPIEXEC is not None and find_spec("mpi4py") is not None,
}


@dataclass
class Block:
    """A code block of a page; `marks`: what the comments before it say."""

    line: int
    language: str
    title: str
    code: str
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def is_run(self) -> bool:
        return self.language in ("sh", "python") and not self.title and not ELSEWHERE & self.marks.keys()


def blocks(text: str) -> list[Block]:
    """The code blocks of a page."""
    found: list[Block] = []
    marks: dict[str, str] = {}
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if "```" in line and not line.startswith("    "):  # four blanks: code that is not run
            opening = FENCE.fullmatch(line)
            assert opening, f"line {number}: expected ```LANGUAGE or ```LANGUAGE title=PATH, got {line}"
            inside = []
            for _, line in lines:
                if line == "```":
                    break
                inside.append(line)
            code = "".join(f"{line}\n" for line in inside)
            found.append(Block(number, opening[1], opening[2] or "", code, marks))
        marks = {}
        if line.startswith("<!--"):
            comment = COMMENT.fullmatch(line)
            assert comment, f"line {number}: unknown comment {line}"
            marks = dict([comment.groups(default="")])
    return found


def run_page(page: Path, folder: Path, trained: Path | None = None) -> list[str]:
    """Run a page's blocks in `folder`; their outputs. AssertionError: one fails, or prints another text.

    trained: a .keras file whose weights its model gets instead of training
    """
    outputs = []
    output = None
    for block in blocks(page.read_text("utf-8")):
        place = f"{page.name}:{block.line}"
        if block.title and block.language == "diff":
            change(folder / block.title, block.code, place)
        elif block.title:
            code = block.code
            if trained and TRAINING in code:
                code = code.replace(TRAINING, f"model.load_weights({str(trained)!r})")
            write_or_compare(folder, block.title, code, place)
        elif block.is_run and AVAILABLE.get(block.marks.get("needs", ""), True):
            output = run_block(block, folder, place)
            outputs.append(output)
            continue
        elif block.language == "text" and output is not None:
            require_lines(block.code, output, place)
        output = None
    return outputs


def run_block(block: Block, folder: Path, place: str) -> str:
    """What a block prints on stdout and stderr. Its last command has the exit status that the page says."""
    start = [sys.executable, "-"] if block.language == "python" else ["bash", "-euo", "pipefail", "-s"]
    environment = {
        **os.environ,
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",  # stdout and stderr in the order of writing
        "MPLBACKEND": "agg",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{who}_{what}": "reader" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    with alone_with_genn() if block.marks.get("needs") == "genn_cpp" else nullcontext():
        done = subprocess.run(
            start,
            input=block.code.replace(DOWNLOAD, OFFLINE),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
    expected = int(block.marks.get("exits with", 0))
    assert done.returncode == expected, (
        f"{place}: exits with {done.returncode}, not {expected}:\n{last_lines(done.stdout)}"
    )
    return done.stdout


def last_lines(output: str) -> str:
    return "\n".join(output.splitlines()[-40:])


def require_lines(expected: str, output: str, place: str) -> None:
    """Find each line of a text block in the output, in this order; see `pattern`."""
    lines = iter(output.splitlines())
    for wanted in filter(str.strip, expected.splitlines()):
        same = pattern(wanted)
        assert any(same.fullmatch(line) for line in lines), (
            f"{place}: no line {wanted!r} (in this order) in:\n{last_lines(output)}"
        )


def write_or_compare(folder: Path, name: str, code: str, place: str) -> None:
    """Find the block's lines in its file; a line of `...` is any lines. A file that is new is written."""
    path = folder / name
    is_new = path.parent == folder or not path.parent.exists()
    if not path.exists() and is_new:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code.replace(DOWNLOAD, OFFLINE), "utf-8")
        return
    assert path.exists(), f"{place}: there is no file {name}"
    rest = path.read_text("utf-8").splitlines()
    for part in re.split(r"(?m)^\s*(?:# )?\.\.\.\n", code):
        wanted = part.splitlines()
        for start in range(len(rest) - len(wanted) + 1):
            if rest[start : start + len(wanted)] == wanted:
                rest = rest[start + len(wanted) :]
                break
        else:
            raise AssertionError(f"{place}: {path.name} has no such lines (in this order):\n{part}")


def change(path: Path, diff: str, place: str) -> None:
    """Make the change of a diff without line numbers, whose old lines stand in the file once."""
    lines = diff.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in kinds) for kinds in (" -\n", " +\n"))
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{place}: {path.name} has these lines {text.count(old)} times:\n{old}"
    path.write_text(text.replace(old, new), "utf-8")


def pattern(line: str) -> re.Pattern[str]:
    """Lines like this one: text for `...` and spaces between columns may differ.

    In a line with a measured number, which has two decimals or more, all numbers may differ: trainings do.
    """
    tokens = [token for token in TOKEN.split(line.strip()) if token]
    is_measured = any(re.fullmatch(r"-?\d+\.\d\d+", token) for token in tokens)

    def token_pattern(token: str) -> str:
        if token == "...":
            return ".*"
        if token.isspace():
            return r"\s+"
        return NUMBER if is_measured and re.fullmatch(NUMBER, token) else re.escape(token)

    return re.compile(rf"\s*{''.join(map(token_pattern, tokens))}\s*")
