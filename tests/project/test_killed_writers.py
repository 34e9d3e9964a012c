"""Processes killed while they write, and several at once: no file is ever half, and no mixture is silent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from killed_writers import KILLS, check, exported, files_in, judged, mend, networks

from tgenn_gen import generate, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.codegen.runtime_files import runtime_files
from tgenn_gen.codegen.stamps import SCRIPTS
from tgenn_gen.errors import TgennError
from tgenn_gen.files.file_writing import alone_in, replace_files
from tgenn_gen.project.writing import write_folder

TESTS = Path(__file__).parent.parent / "support"
FOREIGN = {
    "notes.txt": b"mine",
    "weights/mine.npy": b"mine",
    ".tgenn-notes": b"mine",
    "a_CODE/deep/runner.o": b"mine",
}


class Killed(BaseException):
    """Stands for the end of a process: nothing handles it."""


@pytest.fixture
def folder(tmp_path) -> Path:
    """An exported network, with files of its user's everywhere."""
    return export_of("a", tmp_path / "parent/n")


def export_of(version: str, folder: Path) -> Path:
    folder.parent.mkdir(exist_ok=True)
    if version != "none":
        write_folder(folder, exported(version), force=False)
        for name, content in FOREIGN.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    return folder


def stop_at(monkeypatch, step: int) -> None:
    """Let the process end before that rename."""
    move, left = os.replace, [step]

    def replace(source, target):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        move(source, target)

    monkeypatch.setattr(os, "replace", replace)


# From one network to another: with a file that goes, with other numbers in the same files, into a new folder.
CHANGES = [("a", "b", "c"), ("b", "c", "a"), ("none", "b", "c")]


@pytest.mark.parametrize(("old", "new", "third"), CHANGES)
def test_an_export_that_ends_between_any_two_files_is_told_and_the_next_one_mends_it(
    tmp_path, monkeypatch, old, new, third
):
    files = exported(new)
    found = []
    for step in range(len(files) + 1):
        folder = export_of(old, tmp_path / str(step) / "n")
        foreign = {} if old == "none" else FOREIGN
        with monkeypatch.context() as patch:
            stop_at(patch, step)
            if step < len(files):
                with pytest.raises(Killed):
                    write_folder(folder, files, force=True)
            else:
                write_folder(folder, files, force=True)
        found.append(judged(folder, old, new, foreign))
        mend(folder, third, foreign)
    carried, scripts = len(runtime_files()), len(SCRIPTS)
    others = len(files) - carried - scripts - 1
    expected = {
        "a": [
            "T302",
            *["T302"] * (carried + scripts),
            "T302",
            *["T302 T307"] * (others - 2),
            "T307 T310",  # the new document beside the old hashes
        ],  # a bias comes, and one goes
        "b": ["b", *["b"] * carried, *["b, with other scripts"] * scripts, *["T307"] * others],
        "none": ["none", *["T101"] * (carried + scripts + others - 1), "T309"],
    }
    assert found == [*expected[old], new]


def test_two_exports_that_end_one_after_the_other_are_mended_by_a_third(folder, monkeypatch):
    """The document that the first one left tells its weights also after the second one began."""
    middle = len(exported("b")) - 2
    for version, step in (("b", middle), ("c", 1)):
        with monkeypatch.context() as patch:
            stop_at(patch, step)
            with pytest.raises(Killed):
                write_folder(folder, exported(version), force=True)
    mend(folder, "c", FOREIGN)


def test_scripts_that_a_killed_generate_left_are_told_and_written_by_the_next(folder, monkeypatch):
    save(networks()["b"], folder, force=True)
    for left in (4, 3):
        with monkeypatch.context() as patch:
            stop_at(patch, 1)
            with pytest.raises(Killed):
                generate(networks()["b"], folder)
        status, said = check(folder)
        assert status == 0
        (told,) = re.findall(r"scripts were generated from another document \((.+)\)", said)
        assert len(told.split(", ")) == left
    assert main(["generate", str(folder)]) == 0
    assert files_in(folder) == {**exported("b"), **FOREIGN}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed")
@pytest.mark.parametrize(("old", "new"), [change[:2] for change in CHANGES])
def test_a_killed_export_leaves_the_old_folder_the_new_one_or_one_that_check_names(tmp_path, old, new):
    folder = export_of(old, tmp_path / "parent/n")
    found = printed_by(TESTS / "killed_writers.py", folder, old, new)
    assert sum(found.values()) == KILLS
    assert len(found) > 1, found


def python(*arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent.parent}{os.pathsep}{TESTS}"}
    command = [sys.executable, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def printed_by(*arguments: object) -> Any:
    process = python(*arguments)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return json.loads(output)


@pytest.mark.parametrize("there", [True, False])
def test_a_write_that_fails_changes_nothing(folder, monkeypatch, there):
    if not there:
        folder = folder.parent / "fresh"
    before, write_bytes = files_in(folder), Path.write_bytes

    def fails(path, content):
        write_bytes(path, content[:10])
        if path.name.endswith("simulate.py"):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fails)
        with pytest.raises(TgennError, match=r"T604\]: cannot be written: No space"):
            write_folder(folder, exported("b"), force=True)
    assert files_in(folder) == before
    assert folder.exists() == there
    write_folder(folder, exported("b"), force=there)  # as if it had not been


def test_a_file_that_cannot_be_replaced_is_told_and_the_next_export_mends_it(folder, monkeypatch):
    """As on Windows, where another program has it open."""
    move = os.replace

    def fails(source, target):
        if target.name == "conv2.bias.npy":
            raise PermissionError(13, "Permission denied")
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fails)
        with pytest.raises(TgennError, match=r"T604\]: cannot be written: Permission denied"):
            write_folder(folder, exported("b"), force=True)
    assert judged(folder, "a", "b", FOREIGN) == "T302 T307"
    mend(folder, "c", FOREIGN)


def test_the_folder_and_other_files_in_it_stay_the_same_ones(folder, monkeypatch):
    folder.chmod(0o750)
    before = [(p.stat().st_ino, p.stat().st_mode) for p in (folder, folder / "notes.txt")]
    monkeypatch.chdir(folder)
    write_folder(Path(), exported("b"), force=True)
    assert "name: b\n" in Path("network.yaml").read_text()
    assert [(p.stat().st_ino, p.stat().st_mode) for p in (folder, folder / "notes.txt")] == before
    assert [p.name for p in folder.parent.iterdir()] == ["n"]


def test_links_to_files_elsewhere_are_not_written_through(folder, tmp_path):
    """A hard link of the user's to an old file keeps the old text."""
    os.link(folder / "network.yaml", tmp_path / "kept.yaml")
    old = (folder / "network.yaml").read_bytes()
    write_folder(folder, exported("b"), force=True)
    assert (tmp_path / "kept.yaml").read_bytes() == old != (folder / "network.yaml").read_bytes()


def test_files_go_and_come_and_temporary_ones_are_removed_by_the_next_write_in_their_folder(tmp_path):
    folder, left = tmp_path / "n", ".tgenn-0123abcd-"
    replace_files(folder, {"a": b"1", "b/c": b"2"})
    for name in ("a", "e", "b/c"):
        (folder / name).with_name(left + Path(name).name).write_bytes(b"le")
    replace_files(folder, {"b/c": b"3", "d": b"4"}, stale=["a"])
    assert files_in(folder) == {"b/c": b"3", "d": b"4", f"{left}e": b"le"}  # e may still be mended


posix = pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked on Windows")


@posix
def test_a_folder_that_another_process_writes_is_refused_and_read_all_the_same(folder, capsys):
    before = files_in(folder)
    with alone_in(folder):
        for other in (folder, folder.parent / "." / folder.name):
            with pytest.raises(TgennError) as refused:
                write_folder(other, exported("b"), force=True)
            assert str(refused.value) == (
                f"{other}: error[T605]: another tgenn is writing this folder\n"
                "  hint: wait until it has finished, or choose another folder"
            )
        assert files_in(folder) == before
        (folder / "model.cc").unlink()
        assert main(["generate", str(folder)]) == 2
        assert main(["check", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.err.startswith(f"{folder}: error[T605]: another tgenn is writing this folder\n")
    assert not (folder / "model.cc").exists()
    assert main(["generate", str(folder)]) == 0


HOLDER = """
import sys
from pathlib import Path
from tgenn_gen.files.file_writing import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    input()
"""


@posix
def test_a_killed_process_keeps_nobody_out(folder):
    holder = python("-c", HOLDER, folder)
    assert holder.stdout.readline() == "in\n"
    with pytest.raises(TgennError, match="T605"):
        write_folder(folder, exported("b"), force=True)
    holder.kill()
    holder.communicate()
    mend(folder, "b", FOREIGN)


RACER = """
import sys
from dataclasses import replace
from pathlib import Path
from killed_writers import networks
from tgenn_gen.errors import TgennError
from tgenn_gen.project.writing import export_files, write_folder
files = export_files(replace(networks()["a"], name=sys.argv[2]))
print("ready", flush=True)
input()
try:
    write_folder(Path(sys.argv[1]), files, force=False)
    print("won")
except TgennError as error:
    print(error.diagnostics[0].code)
"""


@posix
def test_of_several_exports_at_once_one_wins_whole(tmp_path):
    racers = {f"racer{n}": python("-c", RACER, tmp_path / "n", f"racer{n}") for n in range(4)}
    for racer in racers.values():
        assert racer.stdout.readline() == "ready\n"
    for racer in racers.values():
        racer.stdin.write("\n")
        racer.stdin.flush()
    said = {name: racer.communicate()[0].strip() for name, racer in racers.items()}
    winners = [name for name, word in said.items() if word == "won"]
    assert len(winners) == 1, said
    assert set(said.values()) - {"won"} <= {"T601", "T605"}
    assert load(tmp_path / "n").name == winners[0]
    assert main(["generate", "--check", str(tmp_path / "n")]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["n"]
