"""Documents in git: tgenn diff of revisions, and tgenn git-setup, each in a repository of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from broken import rename_weights
from sample_networks import residual

from tgenn_gen import Network, TgennError, generate, save
from tgenn_gen.cli.main import main
from tgenn_gen.diff.revisions import load_named
from tgenn_gen.document.reading import read_document
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.tensors import Tensor
from tgenn_gen.project.git_configuration import ATTRIBUTES

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
HINT = (
    "in REV:PATH, such as HEAD~1:mnist, PATH starts at the repository's top folder; "
    "REV:./PATH starts at the current folder"
)


def network() -> Network:
    return residual("residual", ConstantCurrentInput(), IntegrateAndFireNeuron())


def edited() -> Network:
    """The network with one other weight and another threshold."""
    start = network()
    classes = start.population("classes")
    bias = classes.bias.values.copy()
    bias[3] += 0.125
    stem = replace(start.population("stem"), neuron=IntegrateAndFireNeuron(1.5))
    classes = replace(classes, bias=Tensor(classes.bias.file, bias))
    return replace(start, populations=(stem, *start.populations[1:-1], classes))


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit() -> None:
    git("add", "--all")
    git("commit", "--quiet", "--message", "a commit")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The current folder: a repository with the network in `net`, committed and then edited."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "tgenn"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tgenn_gen "$@"\n')
    script.chmod(0o755)
    variables = {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        "HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
        **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "--quiet")
    save(network(), "net")
    generate(network(), "net")
    commit()
    save(edited(), "net", force=True)
    generate(edited(), "net")
    return folder


@pytest.mark.parametrize(
    "name", ["HEAD:net", "HEAD:net/", "HEAD:net/network.yaml", ":net/network.yaml", ":net"]
)
def test_a_revision_of_a_document_is_loaded_with_the_weights_it_had(repository, name):
    assert load_named(name) == network()
    assert load_named("net") == edited()


def test_paths_of_revisions_count_from_the_top_folder_or_from_the_current_one(repository, monkeypatch):
    monkeypatch.chdir("net")
    for name in ("HEAD:net", "HEAD:./", "HEAD:./network.yaml", "HEAD:../net/network.yaml"):
        assert load_named(name) == network()


def test_documents_in_the_top_folder_of_a_repository_are_found(repository, monkeypatch):
    monkeypatch.chdir("net")
    git("init", "--quiet")
    commit()
    for name in ("HEAD:", "HEAD:network.yaml", "HEAD:./network.yaml", ":network.yaml"):
        assert load_named(name) == edited()


def test_diff_compares_revisions_and_folders(repository, capsys):
    assert main(["diff", "HEAD:net", "net", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert list(data["populations"]["changed"]) == ["stem"]
    assert [w["after_file"] for w in data["weights"]] == ["weights/classes.bias.npy"]
    assert data["weights"][0]["values"]["max_index"] == [3]
    commit()
    assert main(["diff", "HEAD:net", "net"]) == 0
    assert main(["diff", "HEAD~1:net", "HEAD:net"]) == 1


def test_a_path_that_exists_is_a_path_whatever_colons_it_has(repository):
    shutil.copytree("net", "HEAD:net")
    assert load_named("HEAD:net") == edited()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("HEAD:nothing", "HEAD:nothing: error[T607]: git says: path 'nothing' does not exist in 'HEAD'"),
        ("nothing:net", "nothing:net: error[T607]: git says: invalid object name 'nothing'."),
        ("HEAD:", "HEAD:network.yaml: error[T607]: git says: path 'network.yaml' does not exist in 'HEAD'"),
    ],
)
def test_what_git_says_is_passed_on(repository, capsys, name, said):
    assert main(["diff", name, "net"]) == 2
    assert capsys.readouterr() == ("", f"{said}\n  hint: {HINT}\n")


@pytest.mark.parametrize("name", ["--batch:net", "-p:net", "--textconv:net"])
def test_names_are_no_options_of_git(repository, name):
    with pytest.raises(TgennError, match=f"^{name}: error.T607.: git says: invalid object name '-"):
        load_named(name)


def test_outside_of_repositories_git_says_so(repository, capsys, monkeypatch):
    monkeypatch.chdir("..")
    assert main(["diff", "HEAD:net", "repository/net"]) == 2
    assert "HEAD:net: error[T607]: git says: not a git repository" in capsys.readouterr().err


def test_problems_of_a_revision_stand_at_its_lines(repository, capsys):
    """A weight that is missing, one of another hash, a field that is wrong."""
    text = Path("net/network.yaml").read_text()
    Path("net/weights/sum.kernel.npy").unlink()
    commit()
    assert main(["diff", "HEAD:net", "HEAD~1:net"]) == 2
    missing = (
        "weights/sum.kernel.npy: error[T607]: git says: path 'net/weights/sum.kernel.npy' does not exist"
    )
    assert f"HEAD:net/{missing} in 'HEAD'" in capsys.readouterr().err
    np.save("net/weights/sum.kernel.npy", np.zeros((1, 1, 3, 3), np.float32))
    commit()
    assert main(["diff", "HEAD:net", "HEAD~2:net"]) == 2
    err = capsys.readouterr().err
    line = next(i for i, line in enumerate(text.splitlines(), 1) if "sum.kernel" in line)
    assert err.startswith(f"HEAD:net/network.yaml:{line}:") and "error[T307]: weights/sum.kernel.npy" in err
    Path("net/network.yaml").write_text(text.replace("timesteps: 7", "timesteps: 0"))
    commit()
    assert main(["diff", "HEAD:net/network.yaml", "HEAD~3:net"]) == 2
    assert capsys.readouterr().err.startswith("HEAD:net/network.yaml:4:34: error[T114]: timesteps is 0")


def test_files_outside_of_the_document_s_folder_are_not_read(repository, capsys):
    text = Path("net/network.yaml").read_text()
    Path("net/network.yaml").write_text(
        text.replace("weights/sum.kernel.npy", "../net/weights/sum.kernel.npy")
    )
    commit()
    assert main(["diff", "HEAD:net", "HEAD:net"]) == 2
    assert "error[T301]: ../net/weights/sum.kernel.npy: is not a path inside" in capsys.readouterr().err


@pytest.fixture
def shared(repository):
    """One array of net/ in a common folder, committed, and another one there now."""
    Path("common").mkdir()
    shutil.move("net/weights/sum.kernel.npy", "common/sum.kernel.npy")
    rename_weights(Path("net"), "weights/sum.kernel.npy", "../common/sum.kernel.npy")
    commit()
    np.save("common/sum.kernel.npy", np.load("common/sum.kernel.npy") * 2)
    assert main(["lock", "net", "--allow-outside"]) == 0
    return repository


@pytest.mark.parametrize(
    ("folder", "name", "now"),
    [
        (".", "HEAD:net", "net"),
        (".", ":net/network.yaml", "net"),
        (".", ":0:net", "net"),
        (".", "HEAD^{/a}:net", "net"),
        (".", "HEAD:./net", "net"),
        ("net", "HEAD:net", "."),
        ("net", "HEAD:./", "."),
        ("net", "HEAD:./network.yaml", "."),
        ("common", "HEAD:../net", "../net"),
    ],
)
def test_shared_weights_of_a_revision_are_those_it_had(shared, capsys, monkeypatch, folder, name, now):
    monkeypatch.chdir(folder)
    capsys.readouterr()
    assert main(["diff", name, now]) == 2
    assert capsys.readouterr().err.count("error[T301]: ../common/sum.kernel.npy: is not a path") == 2
    assert main(["diff", name, now, "--allow-outside", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert [w["after_file"] for w in data["weights"]] == ["../common/sum.kernel.npy"]


@pytest.mark.parametrize("name", ["HEAD:net", "HEAD:./net"])
@pytest.mark.parametrize("file", ["../../alone/sum.kernel.npy", "{}/common/sum.kernel.npy"])
def test_a_revision_has_no_files_outside_of_its_repository(shared, capsys, name, file):
    """Not those of an absolute path, and not others of a path that seems to be the same."""
    shutil.copytree("common", "../alone")
    file = file.format(shared)
    rename_weights(Path("net"), "../common/sum.kernel.npy", file)
    commit()
    capsys.readouterr()
    assert main(["check", "net", "--allow-outside"]) == 0
    assert main(["diff", name, "net", "--allow-outside"]) == 2
    err = capsys.readouterr().err
    assert f"T301]: {file}: is outside of the repository" in err or "is outside repository" in err


@pytest.mark.parametrize("file", ["network.yaml", "weights/sum.kernel.npy", "weights/SHA256SUMS"])
def test_what_a_revision_has_is_not_read_beyond_what_it_may_have(repository, capsys, file):
    """256 MiB of zeros, of which git keeps 256 KB."""
    with Path("net", file).open("r+b") as large:
        large.truncate(2**28)
    commit()
    Path("net", file).unlink()
    tracemalloc.start()
    try:
        assert main(["diff", "HEAD:net", "HEAD~1:net"]) == 2
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    said = {"network.yaml": "larger than 1 MiB", "weights/SHA256SUMS": "T309]: larger than 4 MiB"}
    assert said.get(file, f"{file}: holds ") in capsys.readouterr().err


def test_without_git_what_is_missing_is_said(repository, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert main(["diff", "HEAD:net", "net"]) == 3
    assert (
        "HEAD:net/network.yaml: this needs git, which cannot be run (No such file or directory)"
        in capsys.readouterr().err
    )
    assert main(["diff", "net", "net"]) == 0


def test_git_setup_makes_plain_git_diff_readable(repository):
    assert "Binary files a/net/weights/classes.bias.npy" in git("diff")
    assert main(["git-setup", "net"]) == 0
    shown = git("diff")
    bias = network().population("classes").bias.values[3]
    assert f"\n-[3]         {bias}\n+[3]         {bias + np.float32(0.125)}\n" in shown
    assert "\n-[2] " not in shown and "threshold: 1.5" in shown
    for script in ("simulate.py", "model.cc", "reference.py"):
        assert f"diff --git a/net/{script} b/net/{script}" in shown  # people own them
    commit()
    assert "\n+[3] " in git("show")


def test_git_setup_tells_hosts_which_files_are_generated(repository):
    main(["git-setup", "net"])
    runtime = "net/tgenn_runtime/scores.py"
    paths = [runtime, "net/network.yaml", "net/weights/sum.kernel.npy", "net/simulate.py"]
    said = git("check-attr", "linguist-generated", "diff", "text", "--", *paths)
    assert f"{runtime}: linguist-generated: set\n{runtime}: diff: unset\n" in said
    assert "net/weights/sum.kernel.npy: diff: tgenn-npy\nnet/weights/sum.kernel.npy: text: unset\n" in said
    for path in ("net/network.yaml", "net/simulate.py"):
        assert f"\n{path}: linguist-generated: unspecified\n{path}: diff: unspecified\n" in said


@pytest.mark.parametrize("setup", [["net"], ["."], None], ids=["in its folder", "at the top", "not at all"])
def test_a_clone_with_line_ends_of_windows_is_the_same_project(repository, capsys, setup):
    """With git-setup it has the same bytes; without, neither hashes nor scripts depend on line ends."""
    if setup:
        main(["git-setup", *setup])
    commit()
    git("clone", "--quiet", "-c", "core.autocrlf=true", ".", "../clone")
    clone, files = Path("../clone/net"), [path for path in Path("net").rglob("[!.]*") if path.is_file()]
    for path in files:
        there = (clone.parent / path).read_bytes()
        same = setup or path.suffix == ".npy"
        assert there == (path.read_bytes() if same else path.read_bytes().replace(b"\n", b"\r\n")), path
    before = {path: (clone.parent / path).read_bytes() for path in files}
    assert read_document(clone).sha256 == read_document("net").sha256
    capsys.readouterr()
    for command in (["check"], ["generate"], ["generate", "--check"], ["fmt", "--check"], ["lock"]):
        assert main([command[0], str(clone), *command[1:]]) == 0
    assert main(["diff", "net", str(clone)]) == 0
    assert main(["diff", "HEAD:net", str(clone)]) == 0
    assert "by hand" not in (said := capsys.readouterr()).out and said.err == ""
    assert {path: (clone.parent / path).read_bytes() for path in files} == before


def test_scripts_with_line_ends_of_windows_run_and_know_their_document(repository):
    commit()
    git("clone", "--quiet", "-c", "core.autocrlf=true", ".", "../clone")
    shape = network().inputs[0].shape
    np.savez("../clone/data.npz", x_test=np.random.default_rng(1).random((4, *shape), np.float32))
    outputs = []
    for folder in ("net", "../clone/net"):
        options = ["--data", "../clone/data.npz", "--save-outputs", "../clone/out.npy"]
        command = [sys.executable, f"{folder}/reference.py", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "note" not in done.stderr, done.stderr
        outputs.append(np.load("../clone/out.npy"))
    assert np.array_equal(*outputs)


def test_edits_of_files_with_line_ends_of_windows_are_found(repository, capsys):
    commit()
    git("clone", "--quiet", "-c", "core.autocrlf=true", ".", "../clone")
    clone = Path("../clone/net")
    edits = {"simulate.py": b"# mine\r\n", "tgenn_runtime/scores.py": b"# mine\n"}
    for name, added in edits.items():
        (clone / name).write_bytes(added + (clone / name).read_bytes())
    assert main(["generate", str(clone), "--check"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert {line for line in out if not line.startswith("note")} == {
        f"{clone / name}: was edited by hand" for name in edits
    }
    assert main(["generate", str(clone)]) == 2
    assert capsys.readouterr().err.count("T606") == len(edits)
    assert main(["generate", str(clone), "--force"]) == 0
    assert main(["generate", str(clone), "--check"]) == 0


def test_an_edit_keeps_line_ends_of_windows(repository, capsys):
    commit()
    git("clone", "--quiet", "-c", "core.autocrlf=true", ".", "../clone")
    path = Path("../clone/net/network.yaml")
    before = path.read_bytes()
    assert main(["set", str(path), "stem.neuron.threshold=1.25"]) == 0
    assert path.read_bytes() == before.replace(b"threshold: 1.5", b"threshold: 1.25")
    classes = Path("../clone/net/weights/classes.bias.npy")
    np.save(classes, np.load(classes)[:2])
    main(["lock", str(path)])
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")


def test_arrays_that_cannot_be_shown_do_not_stop_git_diff(repository, monkeypatch):
    main(["git-setup"])
    Path("net/weights/classes.bias.npy").write_bytes(b"no array\0")
    Path("-odd.npy").write_bytes(b"")
    git("add", "--all")
    shown = git("diff", "--cached")
    assert f"\n+not shown by tgenn show: {git('hash-object', 'net/weights/classes.bias.npy')}" in shown
    assert f"\n+not shown by tgenn show: {git('hash-object', '--', '-odd.npy')}" in shown
    Path("../bin/tgenn").write_text("#!/bin/sh\nexit 1\n")
    assert "-odd.npy" in git("diff", "--cached")


def test_git_setup_keeps_what_is_there_and_does_nothing_twice(repository, capsys):
    Path("net/.gitattributes").write_bytes(f"*.bin binary\n  {ATTRIBUTES[0]}".encode())
    git("config", "diff.tgenn-npy.textconv", "other")
    assert main(["git-setup", "net"]) == 0
    lines = ["*.bin binary", f"  {ATTRIBUTES[0]}", *ATTRIBUTES[1:]]
    assert Path("net/.gitattributes").read_text().splitlines() == lines
    assert capsys.readouterr().out.splitlines() == [
        f"net/.gitattributes: {len(ATTRIBUTES) - 1} lines added; commit them:",
        *(f"  {line}" for line in ATTRIBUTES[1:]),
        "net/.gitignore: 3 lines added; commit them:",
        *("  *_CODE/", "  *_CODE.lock", "  __pycache__/"),
        "git config diff.tgenn-npy.textconv: set in this clone only; it was other",
    ]
    config = Path(".git/config").read_bytes()
    assert main(["git-setup", "net"]) == 0
    assert capsys.readouterr().out == (
        "net/.gitattributes: nothing to add\nnet/.gitignore: nothing to add\n"
        "git config diff.tgenn-npy.textconv: already set\n"
    )
    assert Path("net/.gitattributes").read_text().splitlines() == lines
    assert Path(".git/config").read_bytes() == config


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        (Path("../alone"), "../alone: error[T607]: git says: not a git repository"),
        (Path("nothing"), "nothing: error[T607]: git says: cannot change to 'nothing': No such file"),
        (Path(".git"), ".git: error[T607]: git says: this operation must be run in a work tree"),
    ],
)
def test_git_setup_writes_nothing_where_there_is_no_repository(repository, capsys, folder, said):
    Path("../alone").mkdir()
    assert main(["git-setup", str(folder)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith(said)
    assert not (folder / ".gitattributes").exists()


def test_git_setup_refuses_what_is_no_file(repository, capsys):
    Path(".gitattributes").mkdir()
    assert main(["git-setup"]) == 2
    assert ".gitattributes: error[T604]: cannot be read: Is a directory" in capsys.readouterr().err
    assert "tgenn" not in Path(".git/config").read_text()


def test_names_that_are_too_long_are_said(repository, capsys):
    assert main(["diff", f"HEAD:{'n' * 300}", "net"]) == 2
    assert "error[T607]: git says: " in capsys.readouterr().err
