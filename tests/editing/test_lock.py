"""tgenn lock: shapes and hashes brought up to date with the weight files."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
from broken import rename_weights
from edits import commented, refused_edit
from golden import GENERATED
from sample_networks import small_cnn

from tgenn_gen import load, save
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT
from tgenn_gen.document.weight_hashes import SUMS
from tgenn_gen.network.tensors import Tensor

KERNEL = "weights/dense.kernel.npy"


@pytest.fixture
def folder(tmp_path):
    return commented(tmp_path / "n")


def test_lock_writes_what_the_weights_are_now(folder, capsys):
    before = (folder / DOCUMENT).read_text()
    bias, kernel = np.load(folder / "weights/conv1.bias.npy") + 1, np.ones((24, 7), np.float32)
    after = np.ones((7, 5), np.float32)
    np.save(folder / "weights/conv1.bias.npy", bias)
    np.save(folder / KERNEL, kernel)
    np.save(folder / "weights/classes.kernel.npy", after)
    (folder / DOCUMENT).write_text(before.replace("shape: [6]", "shape: [7]"))
    assert main(["lock", str(folder)]) == 0
    assert capsys.readouterr().out == (
        "weights/conv1.bias.npy: other values, [3]\n"
        f"{KERNEL}: [24, 6] -> [24, 7]\n"
        "weights/classes.kernel.npy: [6, 5] -> [7, 5]\n"
        f"{folder / DOCUMENT}: written; next: tgenn generate {folder}\n"
    )
    network = load(folder)
    np.testing.assert_array_equal(network.tensors["weights/conv1.bias.npy"].values, bias)
    np.testing.assert_array_equal(network.tensors[KERNEL].values, kernel)
    expected = (
        before.replace("shape: [6]", "shape: [7]").replace("[24, 6]", "[24, 7]").replace("[6, 5]", "[7, 5]")
    )
    assert (folder / DOCUMENT).read_text() == expected
    digests = {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in sorted(network.tensors)}
    assert (folder / SUMS).read_text() == "".join(f"{d}  {file}\n" for file, d in digests.items())
    assert main(["lock", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / DOCUMENT}: is up to date with the weights\n"


@pytest.mark.parametrize(
    ("before", "comment", "between", "after"),
    [(" {", "", ", ", "}"), ("\n      ", "  # mine", "\n      ", "")],
)
def test_lock_completes_a_reference_that_names_its_file_alone(
    folder, capsys, before, comment, between, after
):
    """In braces, or on lines of their own."""
    np.save(folder / "weights/dense.bias.npy", np.ones(6, np.float32))
    text = (folder / DOCUMENT).read_text()
    start = f"    scale: 1.0\n    bias:{before}file: weights/dense.bias.npy"
    (folder / DOCUMENT).write_text(text.replace("    scale: 1.0\n", f"{start}{comment}{after}\n"))
    assert main(["lock", str(folder)]) == 0
    new = f"{start}{comment}{between}shape: [6]{after}"
    assert (folder / DOCUMENT).read_text() == text.replace("    scale: 1.0\n", f"{new}\n")
    assert capsys.readouterr().out.startswith("weights/dense.bias.npy: new, [6]\n")
    np.testing.assert_array_equal(load(folder).population("dense").bias.values, np.ones(6))


def test_lock_updates_every_reference_to_a_file(folder):
    network = small_cnn()
    twin = replace(network.population("dense"), name="twin")
    save(network, folder, force=True)
    network = replace(network, populations=(*network.populations, twin))
    save(network, folder, force=True)
    np.save(folder / KERNEL, np.ones((24, 6), np.float32))
    assert main(["lock", str(folder)]) == 0
    loaded = load(folder)
    assert loaded.population("dense").inputs[0].through[1] == loaded.population("twin").inputs[0].through[1]
    assert (loaded.tensors[KERNEL].values == 1).all()


def test_lock_refuses_weights_that_no_document_can_have(folder, capsys):
    np.save(folder / KERNEL, np.ones((24, 6), np.int64))
    np.save(folder / "weights/conv1.kernel.npy", np.full((4, 3, 2, 3), 1e39))
    np.save(folder / "weights/conv2.kernel.npy", np.full((2, 3, 3, 4), np.nan))
    (folder / "weights/conv2.bias.npy").write_bytes((folder / KERNEL).read_bytes()[:-8])
    (folder / "weights/classes.kernel.npy").unlink()
    found = refused_edit(folder, capsys, "lock")
    assert [line.split(" hint: ")[0] for line in found] == [
        f"{DOCUMENT}:28:21: error[T308]: weights/conv1.kernel.npy: contains 1e+39 at index [0, 0, 0, 0], too large for float32",
        f"{DOCUMENT}:38:11: error[T304]: weights/conv2.bias.npy: holds int64, expected float32 in C order",
        f"{DOCUMENT}:46:21: error[T308]: weights/conv2.kernel.npy: contains nan at index [0, 0, 0, 0]",
        f"{DOCUMENT}:60:21: error[T304]: {KERNEL}: holds int64, expected float32 in C order",
        f"{DOCUMENT}:70:21: error[T302]: weights/classes.kernel.npy: cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("dtype", "order", "said"),
    [
        ("<f8", "C", "float64"),
        (">f8", "F", ">f8 in Fortran order"),
        (">f4", "C", ">f4"),
        ("<f4", "F", "float32 in Fortran order"),
        ("<f2", "C", "float16"),
    ],
)
def test_lock_casts_floats_of_other_types_and_orders_and_says_so(folder, capsys, dtype, order, said):
    values = np.random.default_rng(0).normal(size=(24, 6))
    np.save(folder / KERNEL, np.asarray(values, dtype, order=order))
    text = (folder / DOCUMENT).read_text()
    assert main(["check", str(folder)]) == 2
    hint = "hint: run tgenn lock, which converts it"
    assert f"holds {said}, expected float32 in C order\n  {hint}" in capsys.readouterr().err
    assert main(["lock", str(folder)]) == 0
    assert capsys.readouterr().out == (
        f"{KERNEL}: {said} converted to float32 in C order; other values, [24, 6]\n"
        f"{folder / DOCUMENT}: written; next: tgenn generate {folder}\n"
    )
    cast = np.load(folder / KERNEL)
    assert cast.dtype == np.dtype("<f4") and cast.flags.c_contiguous
    np.testing.assert_array_equal(cast, values.astype(dtype).astype(np.float32))
    assert (folder / DOCUMENT).read_text() == text
    assert main(["check", str(folder)]) == 0


def test_lock_casts_no_file_outside_of_the_folder(folder, capsys):
    """Another document may have it too, and its hash."""
    shared = folder.parent / "shared.npy"
    np.save(shared, np.ones((24, 6)))
    (folder / KERNEL).unlink()
    for there in (f"../{shared.name}", "weights/link.npy"):
        rename_weights(folder, KERNEL if there[0] == "." else f"../{shared.name}", there)
        (folder / "weights/link.npy").unlink(missing_ok=True)
        (folder / "weights/link.npy").symlink_to(shared)
        (line,) = refused_edit(folder, capsys, "lock", "--allow-outside")
        assert line.startswith(
            f"{DOCUMENT}:60:21: error[T304]: {there}: holds float64, expected float32 in C"
        )
        assert "converts only files in the document's folder, no links" in line
    assert np.load(shared).dtype == np.float64


@pytest.mark.parametrize(
    "broken",
    [
        None,
        b"",
        b"\xff\xfe",
        b"<<<<<<< HEAD\n",
        bytes(2**22 + 1),
    ],
)
def test_lock_writes_hashes_anew_that_are_missing_or_damaged(folder, capsys, broken):
    before = (folder / SUMS).read_bytes()
    (folder / SUMS).unlink()
    if broken is not None:
        (folder / SUMS).write_bytes(broken)
    assert main(["check", str(folder)]) == 2
    assert "tgenn lock" in capsys.readouterr().err
    assert main(["lock", str(folder)]) == 0
    assert (folder / SUMS).read_bytes() == before
    assert main(["check", str(folder)]) == 0


def test_lock_leaves_hashes_that_are_right_as_they_stand(folder):
    """In any order, with line ends of Windows, with the * of binary files."""
    lines = (folder / SUMS).read_text().splitlines()
    content = "".join(f"{line.replace('  ', ' *')}\r\n" for line in reversed(lines)).encode()
    (folder / SUMS).write_bytes(content)
    assert main(["check", str(folder)]) == main(["lock", str(folder)]) == 0
    assert (folder / SUMS).read_bytes() == content


def test_lines_of_files_that_a_document_does_not_name_are_noted_and_go_with_the_file(folder, capsys):
    """The files of another document in the same folder are not this one's to judge."""
    before = (folder / SUMS).read_text()
    np.save(folder / "weights/other.npy", np.ones(3))
    (folder / SUMS).write_text(f"{before}{'0' * 64}  weights/other.npy\n")
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().err == (
        f"note: {folder / SUMS}:7: {DOCUMENT} does not name weights/other.npy: "
        "if nothing else needs that file, remove it and run tgenn lock\n"
    )
    assert main(["lock", str(folder)]) == 0
    assert (folder / SUMS).read_text() != before
    (folder / "weights/other.npy").unlink()
    capsys.readouterr()
    assert main(["lock", str(folder)]) == 0
    assert capsys.readouterr().out.startswith(
        "weights/other.npy: the file is missing, its line in weights/SHA256SUMS is removed\n"
    )
    assert (folder / SUMS).read_text() == before


def test_hashes_that_are_a_link_out_of_the_folder_are_not_read_or_written(folder, capsys):
    outside = folder.parent / "SUMS"
    (folder / SUMS).rename(outside)
    (folder / SUMS).symlink_to(outside)
    for command in ("check", "lock"):
        assert (
            f"{SUMS}: is a link to a file outside of the document's folder"
            in refused_edit(folder, capsys, command)[0]
        )
    assert main(["check", str(folder), "--allow-outside"]) == 0


def not_finite(path):
    np.save(path, np.full((24, 6), np.inf, np.float32))


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-8])


def of_another_shape(path):
    np.save(path, np.ones((24, 7), np.float32))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (not_finite, f"60:21: error[T308]: {KERNEL}: contains inf at index [0, 0]"),
        (cut_off, f"60:21: error[T306]: {KERNEL}: holds 568 bytes of data, its shape needs 576"),
        (of_another_shape, "56:9: error[T205]: the chain from 'conv2' gives [7], 'dense' has shape [6]"),
    ],
)
def test_lock_writes_nothing_where_the_whole_is_not_valid(folder, capsys, change, expected):
    change(folder / KERNEL)
    (line,) = refused_edit(folder, capsys, "lock")
    assert line.split(" hint: ")[0] == f"{DOCUMENT}:{expected}"


def test_an_array_of_another_shape_is_locked_once_what_reads_it_fits(folder, capsys):
    """check, lock and check again say what to change, until there is nothing more to change."""
    for file, axis in ((KERNEL, 1), ("weights/classes.kernel.npy", 0)):
        array = np.load(folder / file)
        np.save(folder / file, array.repeat(2, axis))
    assert main(["check", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count("error[T305]") == said.count("change the shapes of populations to match, then run") == 2
    assert refused_edit(folder, capsys, "lock")[0].split(" hint: ") == [
        f"{DOCUMENT}:56:9: error[T205]: the chain from 'conv2' gives [12], 'dense' has shape [6]",
        "give 'dense' the shape [12], or change the maps that lead to it",
    ]
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace("shape: [6]\n", "shape: [12]\n"))
    assert main(["lock", str(folder)]) == 0
    assert main(["check", str(folder)]) == 0


def test_lock_reads_nothing_outside_of_the_folder(folder, capsys):
    np.save(folder.parent / "secret.npy", np.ones((24, 6), np.float32))
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace(KERNEL, "../secret.npy"))
    (line,) = refused_edit(folder, capsys, "lock")
    assert line.startswith(f"{DOCUMENT}:60:21: error[T301]: ../secret.npy: is not a path inside")


def test_offsets_of_inputs_are_locked_as_other_weights(tmp_path, capsys):
    folder = tmp_path / "n"
    shutil.copytree(GENERATED / "every_op", folder)
    offset = np.load(folder / "weights/image.offset.npy") + 1
    np.save(folder / "weights/image.offset.npy", offset)
    assert main(["check", str(folder)]) == 2
    assert main(["lock", str(folder)]) == 0
    assert "weights/image.offset.npy: other values, [2]" in capsys.readouterr().out
    np.testing.assert_array_equal(load(folder).tensors["weights/image.offset.npy"].values, offset)


def test_saving_again_replaces_the_offset_of_an_input(tmp_path):
    network = load(GENERATED / "every_op")
    (image,) = network.inputs
    save(network, tmp_path / "n")
    changed = Tensor("weights/image.offset.npy", np.float32([7, 8]))
    save(replace(network, inputs=(replace(image, offset=changed),)), tmp_path / "n", force=True)
    np.testing.assert_array_equal(load(tmp_path / "n").inputs[0].offset.values, [7, 8])
    save(replace(network, inputs=(replace(image, offset=0.0),)), tmp_path / "n", force=True)
    assert not (tmp_path / "n/weights/image.offset.npy").exists()
