"""Output folders that cannot be used are refused with the whole message, others are filled."""

# ruff: noqa: E501  (what is said stands in one piece)
from __future__ import annotations

import os

import pytest
from refusals import refused

keras = pytest.importorskip("keras", reason="TensorFlow is not installed")

from tgenn_gen import Method, TgennError, convert, save  # noqa: E402
from tgenn_gen.cli.main import export_main  # noqa: E402
from tgenn_gen.files.file_writing import alone_in  # noqa: E402

pytestmark = pytest.mark.keras
layers = keras.layers


def small_model(folder, *stack):
    path = folder / "model.keras"
    keras.Sequential([keras.Input((4,)), *stack, layers.Dense(3, name="dense")], name="m").save(path)
    return path


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def wide_file(tmp_path_factory):
    return small_model(
        tmp_path_factory.mktemp("wide"),
        layers.Dense(5, "relu", name="old"),
        layers.Dense(6, "relu", name="older"),
    )


def export(model, output, *options) -> int:
    return export_main([str(a) for a in (model, "--normalize", "none", "--output", output, *options)])


def writes(*names):
    def write(folder):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("mine")

    return write


FILE = "error[T602]: is a file, not a folder\n  hint: choose another --output\n"
NOT_EMPTY = "error[T601]: the folder is not empty\n  hint: choose another folder, or give --force to replace the document, weights and scripts\n"
ACCESS = "\n  hint: check the permissions of the folder and of its parent folder, and the free disk space\n"

IN_THE_WAY = {  # (what is in the way, the output, the message)
    "a file": (writes("out"), "out", FILE),
    "a pipe": (lambda folder: os.mkfifo(folder / "out"), "out", FILE),
    "a link to nothing": (lambda folder: (folder / "out").symlink_to("nowhere"), "out", FILE),
    "a link to itself": (
        lambda folder: (folder / "out").symlink_to("out"),
        "out",
        f"error[T604]: cannot be written: a link that leads to itself{ACCESS}",
    ),
    "files": (writes("out/notes.txt"), "out", NOT_EMPTY),
    "hidden files": (lambda folder: (folder / "out/.git").mkdir(parents=True), "out", NOT_EMPTY),
    "a file above": (
        writes("file"),
        "file/out",
        "error[T602]: the folder FOLDER/file does not exist\n  hint: create it\n",
    ),
    "nothing above": (
        writes(),
        "no/out",
        "error[T602]: the folder FOLDER/no does not exist\n  hint: create it\n",
    ),
    "a long name": (writes(), "a" * 300, f"error[T604]: cannot be written: File name too long{ACCESS}"),
}


@pytest.mark.parametrize(
    ("case", "force"),
    [(c, force) for c in IN_THE_WAY for force in ([], ["--force"]) if not (force and c.endswith("files"))],
)
def test_what_is_in_the_way_is_refused_before_any_work(tmp_path, capsys, case, force):
    write, output, expected = IN_THE_WAY[case]
    write(tmp_path)
    said = refused(tmp_path, capsys, "no.keras", "--output", tmp_path / output, *force)
    assert said == f"{tmp_path / output}: {expected.replace('FOLDER', str(tmp_path))}"


@pytest.mark.parametrize(
    "names",
    [
        ["network.yaml"],
        ["simulate.py"],
        ["weights/dense.kernel.npy"],
        ["weights"],
        ["reference.py", "simulate.py"],
    ],
)
def test_with_force_all_files_that_the_tool_did_not_write_are_named(tmp_path, capsys, model_file, names):
    writes(*[f"out/{name}" for name in names])(tmp_path)
    said = refused(
        tmp_path, capsys, model_file, "--normalize", "model", "--output", tmp_path / "out", "--force"
    )
    changed = ", or was changed since" if names[0].endswith(".npy") else ""
    assert said == "".join(
        f"{tmp_path / 'out' / name}: error[T603]: was not written by tgenn{changed}\n  hint: move it to another folder\n"
        for name in names
    )


def test_force_replaces_no_broken_document_no_folder_and_nothing_behind_a_link(tmp_path, capsys, model_file):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (out / "simulate.py").mkdir(parents=True)
    elsewhere.mkdir()
    (out / "network.yaml").write_text("format: tgenn/1\nname: [")
    (out / "weights").symlink_to(elsewhere)
    said = refused(tmp_path, capsys, model_file, "--normalize", "model", "--output", out, "--force")
    for name in ("network.yaml", "simulate.py", "weights"):  # the link itself, not the files behind it
        assert f"{out / name}: error[T603]: was not written by tgenn" in said
    assert not any(elsewhere.iterdir())


def test_force_replaces_the_tools_own_files_and_leaves_all_others(tmp_path, model_file, wide_file):
    """Weights whose hash is not the old document's any more may be somebody's own."""
    out = tmp_path / "out"
    assert export(wide_file, out) == 0
    mine = ["notes.txt", "weights/mine.npy", "weights/old.kernel.npy"]
    for name in mine:
        (out / name).write_bytes(b"mine")
    assert (out / "weights/older.kernel.npy").exists()
    assert export(model_file, out, "--force") == 0
    assert export(model_file, tmp_path / "fresh") == 0
    found, fresh = (
        {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (out, tmp_path / "fresh")
    )
    assert found == {**fresh, **dict.fromkeys(mine, b"mine")}


def test_saving_a_network_again_leaves_its_scripts(tmp_path, model_file):
    assert export(model_file, tmp_path / "out") == 0
    save(convert(model_file, method=Method(normalize="none")), tmp_path / "out", force=True)
    assert (tmp_path / "out/simulate.py").exists() and (tmp_path / "out/reference.py").exists()


def test_the_current_folder_is_filled_like_any_other_that_is_empty(tmp_path, monkeypatch, model_file):
    monkeypatch.chdir(tmp_path)
    assert export(model_file, ".") == 0
    assert (tmp_path / "network.yaml").exists()


def test_a_folder_that_another_process_writes_is_refused_before_the_conversion(
    tmp_path, monkeypatch, capsys, model_file
):
    monkeypatch.setattr("tgenn_gen.conversion.convert.convert", None)  # calling it would fail
    with alone_in(tmp_path / "out"):
        assert export(model_file, tmp_path / "out", "--force") == 2
    assert "error[T605]: another tgenn is writing this folder" in capsys.readouterr().err


def test_a_folder_is_kept_during_the_conversion_and_files_that_come_meanwhile_stay(
    tmp_path, monkeypatch, model_file
):
    out = tmp_path / "out"

    def meanwhile(*arguments, **options):
        with pytest.raises(TgennError, match="T605"), alone_in(out):
            pass
        (out / "notes.txt").write_text("mine")
        return convert(*arguments, **options)

    monkeypatch.setattr("tgenn_gen.conversion.convert.convert", meanwhile)
    assert export(model_file, out) == 0
    assert (out / "notes.txt").read_text() == "mine" and (out / "network.yaml").exists()


def test_a_conversion_that_fails_leaves_no_folder(tmp_path, model_file):
    assert export(model_file, tmp_path / "out", "--normalize", "percentile:99") == 2  # needs data
    assert not (tmp_path / "out").exists()
