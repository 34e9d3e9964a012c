"""tgenn data: an .npz's examples and targets as .npy files, whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from sample_networks import autoencoder, examples_for, small_cnn, targets_for, with_several

from tgenn_gen import save
from tgenn_gen.cli.main import main

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 4, 6, 1), dtype=np.uint8)
SIXTEENTHS = PIXELS / 256  # float64


@pytest.fixture
def folder(tmp_path):
    save(autoencoder(), tmp_path / "n")
    return tmp_path / "n"


def written(folder, arrays, *options):
    """What `tgenn data` writes of these arrays: {file: array}, read as NumPy reads it."""
    np.savez(folder.parent / "data.npz", **arrays)
    assert main(["data", str(folder), str(folder.parent / "data.npz"), *map(str, options)]) == 0
    return files_in(folder / "examples")


def files_in(folder):
    return {path.name: np.load(path, allow_pickle=False) for path in sorted(folder.iterdir())}


def header(path):
    """(format version, shape, whether Fortran order, dtype) that an .npy file says."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        return version, *np.lib.format.read_array_header_1_0(file)


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (PIXELS, "uint8"),
        (SIXTEENTHS, "float32"),
        (SIXTEENTHS.astype(">f4"), "float32"),
        (SIXTEENTHS.astype(np.float16), "float32"),
        (PIXELS > 100, "float32"),
        (PIXELS.astype(np.int64) - 128, "float32"),
        (np.asfortranarray(SIXTEENTHS), "float32"),
        (np.asfortranarray(PIXELS), "uint8"),
        (PIXELS[..., 0], "uint8"),
        (np.asfortranarray(SIXTEENTHS[..., 0]), "float32"),
    ],
    ids="uint8 float64 big_endian float16 bool int64 fortran fortran_uint8 flat fortran_flat".split(),
)
def test_examples_are_written_in_c_order_as_uint8_or_float32(folder, capsys, x, dtype):
    found = written(folder, {"x": x})
    assert list(found) == ["image.npy"]
    np.testing.assert_array_equal(found["image.npy"], x.reshape(6, 4, 6, 1).astype(np.float64))
    path = folder / "examples/image.npy"
    assert header(path) == ((1, 0), (6, 4, 6, 1), False, np.dtype(dtype).newbyteorder("<"))
    change = "" if x.dtype == dtype else f", converted from {x.dtype}"
    assert capsys.readouterr().out == f"{path}: {dtype} (6, 4, 6, 1){change}\n"


@pytest.mark.parametrize("name", with_several())
def test_two_inputs_and_all_targets_have_files_named_after_them(tmp_path, name):
    network = with_several()[name]
    save(network, tmp_path / "n")
    examples, targets = examples_for(network, 5), targets_for(network, 5)
    found = written(tmp_path / "n", examples | targets)
    assert sorted(found) == sorted(f"{key}.npy" for key in [*examples, *targets])
    for key, values in (examples | targets).items():
        np.testing.assert_array_equal(found[f"{key}.npy"], values)
        assert found[f"{key}.npy"].dtype == (np.int32 if values.ndim == 1 else np.float32)


@pytest.mark.parametrize("y", [[4, 0, 1], [[4], [0], [1]]])
@pytest.mark.parametrize("dtype", ["uint8", "int64", ">u2"])
def test_class_numbers_are_int32(tmp_path, y, dtype):
    save(small_cnn(), tmp_path / "n")
    examples = examples_for(small_cnn(), 3)
    found = written(tmp_path / "n", {"x_test": examples["image"], "y_test": np.array(y, dtype)})
    assert found["classes.npy"].dtype == np.int32
    np.testing.assert_array_equal(found["classes.npy"], [4, 0, 1])


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_labels_are_uint8_and_classes_of_pixels_int32(folder, tmp_path, dtype, capsys):
    """The autoencoder has one channel and no function: 0 and 1 are labels."""
    labels = (PIXELS > 100).astype(dtype)
    found = written(folder, {"x": PIXELS, "y": labels})["decoded.npy"]
    assert found.dtype == np.uint8 and "converted" not in capsys.readouterr().out
    np.testing.assert_array_equal(found, labels)
    network = with_several()["two_currents"]
    save(network, tmp_path / "several")
    classes = np.arange(30).reshape(5, 2, 3) % 2
    found = written(tmp_path / "several", {**examples_for(network, 5), "image": classes})
    assert found["image.npy"].dtype == np.int32
    np.testing.assert_array_equal(found["image.npy"], classes)


def test_values_are_uint8_or_float32(folder):
    assert written(folder, {"x": PIXELS, "y": PIXELS[..., 0]})["decoded.npy"].dtype == np.uint8
    found = written(folder, {"x": PIXELS, "y": SIXTEENTHS})["decoded.npy"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, SIXTEENTHS)


def test_a_limit_takes_the_first_examples_and_targets(folder):
    found = written(folder, {"x": PIXELS, "y": SIXTEENTHS}, "--limit", 2)
    np.testing.assert_array_equal(found["image.npy"], PIXELS[:2])
    np.testing.assert_array_equal(found["decoded.npy"], SIXTEENTHS[:2])


def test_an_output_folder_is_made_and_its_files_are_replaced(folder, tmp_path):
    output = tmp_path / "new"
    for x in (PIXELS, SIXTEENTHS[:3]):
        np.savez(tmp_path / "data.npz", x=x)
        assert (
            main(["data", str(folder / "network.yaml"), str(tmp_path / "data.npz"), "--output", str(output)])
            == 0
        )
        np.testing.assert_array_equal(files_in(output)["image.npy"], x)
    assert not (folder / "examples").exists()


def test_old_targets_without_new_ones_are_removed_and_nothing_else(folder, capsys):
    written(folder, {"x": PIXELS, "y": PIXELS})
    np.save(folder / "examples/other.npy", PIXELS)
    np.save(folder / "examples/code.npy", PIXELS)  # a population that is no output
    capsys.readouterr()
    found = written(folder, {"x": PIXELS[:3]})
    assert sorted(found) == ["code.npy", "image.npy", "other.npy"]
    assert capsys.readouterr().out.splitlines() == [
        f"{folder / 'examples/image.npy'}: uint8 (3, 4, 6, 1)",
        f"{folder / 'examples/decoded.npy'}: removed, because the data has no targets for it",
    ]


REFUSED = {
    "another shape": ({"x": PIXELS[:, :3]}, "an example has shape (3, 6, 1), the network takes (4, 6, 1)"),
    "no examples": ({"x": PIXELS[:0]}, "holds no examples"),
    "text": ({"x": np.full((2, 4, 6, 1), "a")}, "examples have dtype <U1, expected numbers"),
    "NaN": ({"x": SIXTEENTHS * np.nan}, "example 0 holds NaN or infinity"),
    "too large for float32": ({"x": SIXTEENTHS + 1e39}, "example 0 holds NaN or infinity"),
    "complex": ({"x": SIXTEENTHS * 1j}, "examples have dtype complex128, expected numbers"),
    "no array": ({"z": PIXELS}, "expected an array named x, x_test, image or image_test, found z"),
    "targets of another shape": ({"x": PIXELS, "y": PIXELS[:, :3]}, "y is uint8 (6, 3, 6, 1), expected"),
    "targets of another number": ({"x": PIXELS, "y": PIXELS[:4]}, "y is uint8 (4, 4, 6, 1), expected"),
    "targets with NaN": ({"x": PIXELS, "y": SIXTEENTHS * np.nan}, "y holds NaN or infinity"),
}


def refused(folder, capsys, *options):
    """What is said on stderr, in the end; the folder's files stay as they are."""
    before = {p: p.read_bytes() for p in folder.parent.rglob("*") if p.is_file()}
    try:
        status = main(["data", str(folder), str(folder.parent / "data.npz"), *map(str, options)])
    except SystemExit as error:
        status = error.code
    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    assert {p: p.read_bytes() for p in folder.parent.rglob("*") if p.is_file()} == before
    return said.err


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_does_not_fit_is_refused_and_nothing_is_written(folder, capsys, case):
    arrays, message = REFUSED[case]
    np.savez(folder.parent / "data.npz", **arrays)
    said = refused(folder, capsys)
    assert f"error: {folder.parent / 'data.npz'}: {message}" in said
    assert said.count("\n") == 1
    assert not (folder / "examples").exists()


@pytest.mark.parametrize("damage", ["truncated", "bytes", "missing", "folder", "single", "a changed byte"])
def test_damaged_data_is_refused_and_old_files_stay(folder, capsys, damage):
    written(folder, {"x": PIXELS, "y": PIXELS})
    capsys.readouterr()
    data = folder.parent / "data.npz"
    content = data.read_bytes()
    data.unlink()
    if damage == "folder":
        data.mkdir()
    elif damage == "single":
        data.write_bytes((folder / "examples/image.npy").read_bytes())
    elif damage != "missing":
        middle = len(content) // 4
        changed = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
        data.write_bytes({"truncated": content[:300], "bytes": b"abc"}.get(damage, changed))
    said = refused(folder, capsys)
    assert said.startswith((f"error: {data}: ", f"{data}: error["))
    assert said.count("\n") == 1


def test_values_that_an_encoding_does_not_take_are_refused(tmp_path, capsys):
    network = with_several()["mixed_inputs"]
    save(network, tmp_path / "n")
    examples = examples_for(network, 3)
    np.savez(tmp_path / "data.npz", **examples | {"right": examples["right"] / 2})
    said = refused(tmp_path / "n", capsys)
    expected = "error[T503]: right: the encoding takes only 0 and 1, the input has 0.5\n"
    assert said == f"{tmp_path / 'data.npz'}: {expected}"


def test_a_folder_that_cannot_be_written_is_refused(folder, tmp_path, capsys):
    np.savez(tmp_path / "data.npz", x=PIXELS)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken/decoded.npy").mkdir(parents=True)
    hint = "\n  hint: choose another --output\n"
    for output, place, message in (
        ("file", "file", f"error[T602]: is a file, not a folder{hint}"),
        (
            "no/out",
            "no/out",
            f"error[T602]: the folder {tmp_path / 'no'} does not exist\n  hint: create it\n",
        ),
        ("taken", "taken/decoded.npy", f"error[T602]: is not a regular file{hint}"),
    ):
        said = refused(folder, capsys, "--output", tmp_path / output)
        assert said == f"{tmp_path / place}: {message}"
    said = refused(folder, capsys, "--output", tmp_path / ("a" * 300))
    assert "error[T604]: cannot be written: File name too long" in said


def test_the_data_and_the_documents_weights_are_not_replaced(tmp_path, capsys):
    """Of a population and an input that are called as the document's weight files are."""
    network = with_several()["two_currents"]  # its weights/early.npy would be the targets of output early
    save(network, tmp_path / "n")
    np.savez(tmp_path / "data.npz", **examples_for(network, 3))
    said = refused(tmp_path / "n", capsys, "--output", tmp_path / "n/weights")
    weights = tmp_path / "n/weights/early.npy"
    assert said.startswith(f"{weights}: error[T602]: is the data file, or a weight file of the document")


def test_links_are_replaced_and_what_they_lead_to_stays(folder, tmp_path):
    (folder / "examples").mkdir()
    np.save(tmp_path / "mine.npy", SIXTEENTHS)
    (folder / "examples/image.npy").symlink_to(tmp_path / "mine.npy")
    (folder / "examples/decoded.npy").symlink_to("decoded.npy")  # leads to itself
    np.testing.assert_array_equal(written(folder, {"x": PIXELS})["image.npy"], PIXELS)
    np.testing.assert_array_equal(np.load(tmp_path / "mine.npy"), SIXTEENTHS)


def test_a_full_disk_leaves_the_old_files(folder, capsys, monkeypatch):
    written(folder, {"x": PIXELS, "y": PIXELS})
    capsys.readouterr()
    np.savez(folder.parent / "data.npz", x=SIXTEENTHS)
    write_bytes, full = type(folder).write_bytes, OSError(28, "No space left on device")

    def fails(path, content):
        write_bytes(path, content[: len(content) // 2])
        raise full

    monkeypatch.setattr(type(folder), "write_bytes", fails)
    said = refused(folder, capsys)
    assert said.startswith(
        f"{folder / 'examples'}: error[T604]: cannot be written: No space left on device\n"
    )
