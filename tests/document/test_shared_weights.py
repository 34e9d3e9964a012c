"""Weights that several documents share, outside of their folders: read where the user allows it."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
from broken import rename_weights
from sample_networks import small_cnn
from scripts import assert_equal_arrays, results

from tgenn_gen import TgennError, load, save, simulate
from tgenn_gen.cli.console import DIFFERENCE, FINE
from tgenn_gen.cli.main import main, parser
from tgenn_gen.document.canonical_text import DOCUMENT

KERNEL = "conv1.kernel.npy"
SHARED = f"../shared/{KERNEL}"
ALLOW = "--allow-outside"

# What every command that reads a document is given, beside a document.
COMMANDS = {
    "check": ["a"],
    "fmt": ["a"],
    "set": ["a", "simulation.timesteps=9"],
    "lock": ["a"],
    "migrate": ["a"],
    "generate": ["a"],
    "show": ["a"],
    "diff": ["a", "b"],
    "evaluate": ["a", "b", "--data", "data.npz"],
    "verify": ["a", "--data", "data.npz"],
    "report": ["a", "b"],
    "data": ["a", "data.npz"],
    "plan": ["a"],
}


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Two documents, a and b, whose first kernel is in a common folder, and data for them."""
    monkeypatch.chdir(tmp_path)
    Path("shared").mkdir()
    for name in ("a", "b"):
        save(small_cnn(), name)
        shutil.move(f"{name}/weights/{KERNEL}", f"shared/{KERNEL}")
        rename_weights(Path(name), f"weights/{KERNEL}", SHARED)
    x = np.random.default_rng(0).random((6, 7, 10, 2)).astype(np.float32)
    np.savez("data.npz", x=x, y=np.arange(6) % 3)
    return tmp_path


def test_every_command_that_reads_documents_can_be_told_to_read_shared_weights():
    """All but those that read none: an argument for documents has one of these names."""
    top = parser()
    (actions,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    reads = {
        name
        for name, command in actions.choices.items()
        if any("SPEC" in str(a.metavar) or a.metavar == "A" for a in command._actions)
    }
    assert reads == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_read_shared_weights_if_the_user_allows_it(models, capsys, command):
    before = {path: path.read_bytes() for path in sorted(models.rglob("*")) if path.is_file()}
    assert main([command, *COMMANDS[command]]) == 2
    err = capsys.readouterr().err
    assert f"a/{DOCUMENT}:27:21: error[T301]: {SHARED}: is not a path inside the document's folder" in err
    assert f"if you trust the document, {ALLOW} reads files outside of its folder" in err
    assert {path: path.read_bytes() for path in sorted(models.rglob("*")) if path.is_file()} == before
    assert main([command, *COMMANDS[command], ALLOW]) in (FINE, DIFFERENCE)
    assert "error" not in capsys.readouterr().err


def test_a_network_with_shared_weights_is_the_one_that_has_them_beside_it(models):
    network = load("a", allow_outside=True)
    assert load("b", allow_outside=True) == network
    assert np.array_equal(network.tensors[SHARED].values, small_cnn().tensors[f"weights/{KERNEL}"].values)
    with pytest.raises(TgennError, match="T301"):
        load("a")


@pytest.mark.parametrize(
    "file",
    [
        SHARED,
        f"weights/../../shared/../shared/{KERNEL}",
        f"{{}}/shared/{KERNEL}",
        f"weights/{KERNEL}",  # a link to the file
        f"common/{KERNEL}",  # a link to its folder
    ],
)
def test_shared_weights_are_found_by_any_path_by_commands_and_scripts(models, capsys, file):
    Path(f"a/weights/{KERNEL}").symlink_to(f"../../shared/{KERNEL}")
    Path("a/common").symlink_to("../shared")
    file = file.format(models)
    rename_weights(Path("a"), SHARED, file)
    assert main(["check", "a"]) == 2
    assert f"error[T301]: {file}: is " in capsys.readouterr().err
    for arguments in (["check", "a"], ["generate", "a"], ["generate", "--check", "a"]):
        assert main([*arguments, ALLOW]) == 0
    assert f'"{file}"' in Path("a/model.cc").read_text()
    found = results(models / "a/reference.py", models / "data.npz")[1]
    with np.load("data.npz") as data:
        expected = simulate(small_cnn(), data["x"])
    np.testing.assert_array_equal(found["output"], expected.outputs["classes"])


@pytest.mark.slow
@pytest.mark.genn
@pytest.mark.slow
def test_genn_reads_shared_weights_from_where_the_document_has_them(models):
    assert main(["generate", "a", ALLOW]) == 0
    _, expected, _ = results(models / "a/reference.py", models / "data.npz")
    _, found, _ = results(models / "a/simulate.py", models / "data.npz", "--backend", "single_threaded_cpu")
    assert_equal_arrays(found, expected)


def test_a_change_of_shared_weights_shows_in_every_document_until_they_are_locked(models, capsys):
    np.save(f"shared/{KERNEL}", np.load(f"shared/{KERNEL}") * 2)
    for name in ("a", "b"):
        assert main(["check", name, ALLOW]) == 2
        assert f"{name}/{DOCUMENT}:27:21: error[T307]: {SHARED}: has sha256" in capsys.readouterr().err
        assert main(["lock", name, ALLOW]) == 0
        assert f"{SHARED}: other values" in capsys.readouterr().out
        assert main(["check", name, ALLOW]) == 0
        capsys.readouterr()
    assert main(["diff", "a", "b", ALLOW]) == 0


def test_what_is_no_file_and_what_is_no_path_are_refused_outside_too(models, capsys):
    text = Path("a", DOCUMENT).read_text()
    Path("folder.npy").mkdir()
    Path("zeros.npy").symlink_to("/dev/zero")
    for file, said in (
        ("/dev/zero", "error[T301]: /dev/zero: is not a path"),
        ("../folder.npy", "error[T302]: ../folder.npy: cannot be read: not a regular file"),
        ("../zeros.npy", "error[T302]: ../zeros.npy: cannot be read: not a regular file"),
        ('"../\\ud800.npy"', "error[T301]: ../\\ud800.npy: is not a path"),
        ("../shared/none.npy", "error[T302]: ../shared/none.npy: cannot be read: No such file or directory"),
        ('"../a\\0b.npy"', "error[T301]: ../a\\x00b.npy: is not a path"),
    ):
        Path("a", DOCUMENT).write_text(text.replace(f"file: {SHARED}", f"file: {file}"))
        assert main(["lock", "a", ALLOW]) == 2
        assert said in capsys.readouterr().err


def test_a_network_with_shared_weights_is_not_written_elsewhere(models):
    """Whoever gets that folder would not have them."""
    network = load("a", allow_outside=True)
    with pytest.raises(TgennError, match=rf"T301.: {SHARED}: is not below the folder that is written"):
        save(network, "elsewhere")
    assert not Path("elsewhere").exists()
