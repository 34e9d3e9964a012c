"""kill -9 at any moment, and several writers at once: a folder is the old one or the new one, whole."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killed_writers import MOMENTS, files_in, networks

from tgenn_gen.cli.main import main
from tgenn_gen.document.reading import load
from tgenn_gen.errors import TgennError
from tgenn_gen.files import folders
from tgenn_gen.files.folders import alone_in, write_whole
from tgenn_gen.project.writing import export_files, reserved, write_folder

TESTS = Path(__file__).parent.parent / "support"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed"),
]


@pytest.fixture
def exported(tmp_path) -> Path:
    """An exported network, with files of its user's everywhere."""
    folder = tmp_path / "parent" / "n"
    folder.parent.mkdir()
    write_folder(folder, export_files(networks()[0]), force=False)
    (folder / "notes.txt").write_text("mine")
    (folder / "weights/mine.npy").write_bytes(b"mine")
    (folder / "small_cnn_CODE/deep").mkdir(parents=True)
    (folder / "small_cnn_CODE/deep/runner.o").write_bytes(b"mine")
    (folder / "link").symlink_to("nowhere")
    return folder


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


def after_kills(folder: Path, how: str) -> dict[str, int]:
    found: dict[str, int] = printed_by(TESTS / "killed_writers.py", folder, how)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged at once on Linux alone")
@pytest.mark.parametrize("how", ["moments", "steps"])
def test_a_killed_export_leaves_the_old_folder_or_the_new_one(exported, how):
    found = after_kills(exported, how)
    assert set(found) == {"old", "new"}
    assert sum(found.values()) == MOMENTS if how == "moments" else min(found.values()) > 10


def test_where_names_cannot_be_exchanged_the_next_command_gives_the_folder_its_name_back(exported):
    """For two instants nothing has the name: when the new takes it, and when the folder takes it back."""
    found = after_kills(exported, "steps-by-renames")
    assert set(found) == {"old", "new", "none, then old", "none, then new"}
    assert found["none, then old"] + found["none, then new"] < 8


@pytest.mark.parametrize("how", ["moments", "steps"])
def test_a_killed_export_into_a_new_folder_leaves_none_or_a_whole_one(tmp_path, how):
    assert set(after_kills(tmp_path / "n", how)) <= {"none", "new"}


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged at once on Linux alone")
@pytest.mark.parametrize("there", [True, False])
def test_a_power_cut_leaves_the_old_folder_or_the_new_one(exported, tmp_path, there):
    """In a model of a disk that keeps what was forced to it, and anything of the rest."""
    found = printed_by(TESTS / "power_cuts.py", exported if there else exported.parent / "fresh")
    assert set(found["meanwhile"]) == {"old", "new"}
    assert min(found["meanwhile"].values()) > 10
    assert set(found["at the end"]) == {"new"}


def test_a_write_that_fails_changes_nothing(exported, monkeypatch):
    before, names = files_in(exported), sorted(p.name for p in exported.parent.iterdir())
    write_bytes = Path.write_bytes

    def fails(path, content):
        if path.name.startswith("simulate.py"):
            raise OSError(28, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(TgennError, match=r"T604\]: cannot be written: No space"):
        write_folder(exported, export_files(networks()[1]), force=True)
    assert files_in(exported) == before
    assert sorted(p.name for p in exported.parent.iterdir()) == names


def test_a_disk_that_fails_changes_nothing(exported, monkeypatch):
    before, names = files_in(exported), sorted(p.name for p in exported.parent.iterdir())
    monkeypatch.setattr(os, "fsync", failing(lambda mode: True, OSError(5, "Input/output error")))
    with pytest.raises(TgennError, match=r"T604\]: cannot be written: Input/output error"):
        write_folder(exported, export_files(networks()[1]), force=True)
    assert files_in(exported) == before
    assert sorted(p.name for p in exported.parent.iterdir()) == names


def test_a_file_system_that_forces_no_folders_to_the_disk_is_written_all_the_same(exported, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(stat.S_ISDIR, OSError(22, "Invalid argument")))
    write_folder(exported, export_files(networks()[1]), force=True)
    assert load(exported).name == "other"
    assert [p.name for p in exported.parent.iterdir()] == ["n"]


def failing(of: Callable[[int], bool], error: OSError) -> Callable[[int], None]:
    """An fsync that fails for files of some modes."""

    def fsync(file: int) -> None:
        if of(os.fstat(file).st_mode):
            raise error

    return fsync


@pytest.mark.parametrize("at_once", [True, False])
def test_who_stands_in_a_folder_stays_in_it_and_files_stay_the_same_ones(exported, monkeypatch, at_once):
    if not at_once:
        monkeypatch.setattr(folders, "_exchanged", lambda one, other: False)
    exported.chmod(0o750)
    before = [(p.stat().st_ino, p.stat().st_mode) for p in (exported, exported / "notes.txt")]
    monkeypatch.chdir(exported)
    write_folder(Path(), export_files(networks()[1]), force=True)
    assert "name: other" in Path("network.yaml").read_text()
    assert [(p.stat().st_ino, p.stat().st_mode) for p in (exported, exported / "notes.txt")] == before
    assert [p.name for p in exported.parent.iterdir()] == ["n"]


def test_links_to_files_elsewhere_are_not_written_through(exported, tmp_path):
    """The copy's files are links: a hard link of the user's to an old file keeps the old text."""
    os.link(exported / "network.yaml", tmp_path / "kept.yaml")
    old = (exported / "network.yaml").read_bytes()
    write_folder(exported, export_files(networks()[1]), force=True)
    assert (tmp_path / "kept.yaml").read_bytes() == old != (exported / "network.yaml").read_bytes()


def test_a_file_system_without_hard_links_gets_copies(exported, monkeypatch):
    def fails(*_):
        raise PermissionError(1, "Operation not permitted")

    foreign = {n: c for n, c in files_in(exported).items() if n not in export_files(networks()[0])}
    monkeypatch.setattr(os, "link", fails)
    write_folder(exported, export_files(networks()[1]), force=True)
    assert files_in(exported) == {**export_files(networks()[1]), **foreign}


@pytest.mark.parametrize("mounted", [True, False])
def test_a_folder_that_keeps_its_name_gets_its_files_one_by_one(exported, monkeypatch, mounted):
    """As a mount point does, and a folder in a lower layer of a container, which is known by trying alone."""
    move = os.replace

    def fails(source, target):
        if Path(source) == exported:
            raise OSError(18, "Invalid cross-device link")
        move(source, target)

    foreign = {n: c for n, c in files_in(exported).items() if n not in export_files(networks()[0])}
    monkeypatch.setattr(folders, "_exchanged", lambda one, other: False)
    monkeypatch.setattr(os, "replace", fails)
    monkeypatch.setattr(Path, "is_mount", lambda path: mounted)
    write_folder(exported, export_files(networks()[1]), force=True)
    assert files_in(exported) == {**export_files(networks()[1]), **foreign}
    assert [p.name for p in exported.parent.iterdir()] == ["n"]


HOLDER = """
import sys
from pathlib import Path
from killed_writers import networks
from tgenn_gen.project.writing import export_files, reserved
with reserved(Path(sys.argv[1]), force=True) as write:
    print("in", flush=True)
    input()
    write(export_files(networks()[1]))
"""


@pytest.mark.parametrize("there", [True, False])
def test_the_second_of_two_exports_into_one_folder_says_so(exported, tmp_path, there):
    folder = exported if there else tmp_path / "parent/fresh"
    before = files_in(folder)
    holder = python("-c", HOLDER, folder)
    assert holder.stdout.readline() == "in\n"
    for other in (folder, folder.parent / "." / folder.name):
        with pytest.raises(TgennError) as refused:
            write_folder(other, export_files(networks()[0]), force=True)
        assert str(refused.value) == (
            f"{other}: error[T605]: another tgenn is writing this folder\n"
            "  hint: wait until it is done, or choose another folder"
        )
    assert files_in(folder) == before
    assert holder.communicate("\n")[1] == ""
    assert files_in(folder).items() >= export_files(networks()[1]).items()
    assert {p.name for p in folder.parent.iterdir()} == {"n", folder.name}


def test_generate_says_so_too_and_reading_goes_on(exported, capsys):
    (exported / "model.cc").unlink()
    with alone_in(exported):
        assert main(["generate", str(exported)]) == 2
        assert main(["check", str(exported)]) == 0
    said = capsys.readouterr()
    assert said.err.startswith(f"{exported}: error[T605]: another tgenn is writing this folder\n")
    assert not (exported / "model.cc").exists()


def test_a_killed_export_keeps_nobody_out(exported):
    holder = python("-c", HOLDER, exported)
    assert holder.stdout.readline() == "in\n"
    holder.kill()
    holder.communicate()
    write_folder(exported, export_files(networks()[1]), force=True)
    assert load(exported).name == "other"
    assert [p.name for p in exported.parent.iterdir()] == ["n"]


RACER = """
import sys
from dataclasses import replace
from pathlib import Path
from killed_writers import networks
from tgenn_gen.errors import TgennError
from tgenn_gen.project.writing import export_files, write_folder
files = export_files(replace(networks()[0], name=sys.argv[2]))
print("ready", flush=True)
input()
try:
    write_folder(Path(sys.argv[1]), files, force=False)
    print("won")
except TgennError as error:
    print(error.diagnostics[0].code)
"""


def test_of_many_exports_at_once_one_wins_whole(tmp_path):
    racers = {f"racer{n}": python("-c", RACER, tmp_path / "n", f"racer{n}") for n in range(6)}
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


def test_a_name_that_was_lost_comes_back_for_its_reader(exported, capsys):
    exported.rename(exported.with_name(".n.tgenn-old"))
    assert main(["check", str(exported / "network.yaml")]) == 0
    assert exported.is_dir()
    assert [p.name for p in exported.parent.iterdir()] == ["n"]


def test_a_failed_conversion_frees_the_folder(tmp_path):
    with pytest.raises(ValueError), reserved(tmp_path / "n", force=False):
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_folder_itself_go_and_come(tmp_path):
    with alone_in(tmp_path / "n"):
        write_whole(tmp_path / "n", {"a": b"1", "b/c": b"2"})
        write_whole(tmp_path / "n", {"b/c": b"3", "d": b"4"}, stale=["a"])
    assert files_in(tmp_path / "n") == {"b/c": b"3", "d": b"4"}
