"""Files of examples that cannot be used or claim what is not so: refused in words, and in 1 GiB of memory."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from limits import memory, seconds

from tgenn_gen.conversion.calibration import open_calibration
from tgenn_gen.errors import TgennError
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Input
from tgenn_gen.runtime.data import read_data
from tgenn_gen.runtime.messages import RunError

X = np.random.default_rng(0).random((6, 4), np.float32)
GIB = 2**30
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


def npy(array, **header) -> bytes:
    """The .npy of an array, with another header where one is given."""
    file = io.BytesIO()
    whole = {**np.lib.format.header_data_from_array_1_0(array), **header}
    np.lib.format.write_array_header_1_0(file, whole)
    return file.getvalue() + array.tobytes()


def with_text(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def long_header(size: int) -> bytes:
    """Format 2.0 has 32 bits for the header's length, and NumPy reads that much before it looks."""
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", size)


def archive(path, method=STORED, **members):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)


def by_hand(path, packed, size, names, crc=0):
    """An archive whose entries, all of them, are the same deflated bytes, which stand in it once."""
    sizes = struct.pack("<III", crc, len(packed), size)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes
    local += struct.pack("<HH", len(names[0]), 0) + names[0]
    directory = b"".join(
        b"PK\x01\x02"
        + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0)
        + sizes
        + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0)
        + name
        for name in names
    )
    counts = struct.pack("<HHHH", 0, 0, len(names), len(names))
    end = b"PK\x05\x06" + counts + struct.pack("<IIH", len(directory), len(local) + len(packed), 0)
    path.write_bytes(local + packed + directory + end)


def bomb(path, start, fill, size=3 * GIB):
    """Of `size` bytes `fill` after a start, packed without having them in memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(fill * 2**24) + packer.flush(zlib.Z_FULL_FLUSH)
    by_hand(path, first + block * (size // 2**24) + packer.flush(), len(start) + size, [b"x.npy"])


def overlapping(path, count=4000, size=2**20):
    """One deflated megabyte that all of the directory's entries stand for."""
    raw = npy(np.zeros((size // 4, 4), np.uint8))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(raw) + packer.flush()
    by_hand(path, packed, len(raw), [b"x.npy", *(b"%04d." % i for i in range(count - 1))], zlib.crc32(raw))


def changed(path, **fields):
    """An archive of one array, with other fields in its directory and none else."""
    places = {"flags": (8, "<H"), "method": (10, "<H"), "packed": (20, "<I"), "size": (24, "<I")}
    archive(path, x=npy(X))
    raw = bytearray(path.read_bytes())
    start = raw.index(b"PK\x01\x02")
    for field, value in fields.items():
        place, form = places[field]
        struct.pack_into(form, raw, start + place, value)
    path.write_bytes(raw)


def a_directory_of_very_many_entries(path):
    count = 40_000
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 0, 0, 0) + bytes(12)
    entry += struct.pack("<HHHHHII", 8, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%08d" % i for i in range(count))
    path.write_bytes(
        b"PK\x03\x04"
        + bytes(26)
        + directory
        + (b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(directory), 30, 0))
    )


def twice(path):
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning):
        file.writestr("x.npy", npy(X))
        file.writestr("x.npy", npy(2 * X))


def twice_but_for_what_follows_a_nul(path):
    archive(path, x=npy(X), **{"x.npy_": npy(2 * X)})
    path.write_bytes(path.read_bytes().replace(b"x.npy_.npy", b"x.npy\0.npy"))


def cut_off(path):
    archive(path, x=npy(X))
    path.write_bytes(path.read_bytes()[:-40])


def damaged_inside(path):
    """One byte of the packed array is another."""
    np.savez_compressed(path, x=X)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)


HEADER = "its header does not describe an array"
CASES = {
    "a bomb": (
        lambda p: bomb(p, npy(np.zeros((0, 4), np.uint8), shape=(3 * GIB // 4, 4)), b"\0"),
        "it has 3221225600 bytes unpacked",
    ),
    "bzip2, which unpacks a block of any size at once": (
        lambda p: archive(p, zipfile.ZIP_BZIP2, x=npy(X)),
        "x.npy is neither stored nor deflated",
    ),
    "LZMA, which has dictionaries of any size": (
        lambda p: archive(p, zipfile.ZIP_LZMA, x=npy(X)),
        "x.npy is neither stored nor deflated",
    ),
    "a header of 3 GiB": (lambda p: bomb(p, long_header(3 * GIB), b" "), "it has 3221225484 bytes unpacked"),
    "a header of 60 MiB": (
        lambda p: archive(p, DEFLATED, x=long_header(60 * 2**20) + b" " * 60 * 2**20),
        "its header has 62914560 bytes, expected at most 4096",
    ),
    "entries that overlap": (overlapping, "it has 4194816000 bytes unpacked"),
    "a directory of 2 MB": (a_directory_of_very_many_entries, "found no array"),
    "two entries of one name": (twice, "2 entries have the same name, x.npy"),
    "two names that are one": (twice_but_for_what_follows_a_nul, "2 entries have the same name, x.npy"),
    "an encrypted entry": (lambda p: changed(p, flags=1), "is encrypted, password required"),
    "an unknown method": (lambda p: changed(p, method=99), "x.npy is neither stored nor deflated"),
    "a size that is too large": (
        lambda p: changed(p, size=2**31, packed=2**31),
        "it has 2147483648 bytes unpacked",
    ),
    "two sizes": (lambda p: changed(p, size=2**20), "x holds 1048448 bytes of data, its shape needs 96"),
    "two sizes of what is deflated": (
        lambda p: changed(p, size=2**20, method=DEFLATED),
        "",  # it cannot be unpacked at all
    ),
    "an archive that is cut off": (cut_off, ""),
    "an archive that is damaged inside": (damaged_inside, ""),
    "an array of a huge shape": (
        lambda p: archive(p, x=npy(X, shape=(2**40, 4))),
        "x holds 96 bytes of data, its shape needs 17592186044416",
    ),
    "an array without elements of a huge shape": (
        lambda p: archive(p, x=npy(X[:0], shape=(0, 2**70))),
        f"its shape is (0, {2**70})",
    ),
    "more than its shape needs": (
        lambda p: archive(p, x=npy(X) + bytes(8)),
        "x holds 104 bytes of data, its shape needs 96",
    ),
    "pickles": (
        lambda p: np.savez(p, x=np.array([{}] * 6)),
        "it contains pickled Python objects, which tgenn never loads",
    ),
    "no dictionary": (lambda p: archive(p, x=with_text(b"-" * 4000 + b"1")), HEADER),
    "a dictionary with a list for a key": (lambda p: archive(p, x=with_text(b"{[]: 1}")), HEADER),
    "a dtype of nothing": (
        lambda p: archive(p, x=with_text(b"{'descr': (), 'fortran_order': False, 'shape': (6, 4)}")),
        HEADER,
    ),
    "a name of another folder alone": (
        lambda p: archive(p, **{"../x": npy(X), "/x": npy(X)}),
        "expected an array named x, ",
    ),
}


def refusal(path):
    """The message about calibration data for an input of shape (4,)."""
    with memory(GIB), seconds(20), pytest.raises(TgennError) as caught:
        list(open_calibration(path, (Input("image", (4,), ConstantCurrentInput()),)).batches(10))
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("error")
def test_calibration_data_that_is_not_what_it_says_is_refused(tmp_path, case):
    write, expected = CASES[case]
    path = tmp_path / "data.npz"
    write(path)
    found = refusal(path)
    assert found.code in ("T501", "T502") and found.hint and expected in found.message


def saves(**arrays):
    return lambda path: np.savez(path, **arrays)


def save_npy(path):
    with path.open("wb") as file:
        np.save(file, X)


NO_FILE = "T501]: cannot be read: not a regular file\n  hint: give the path of an .npz file"
SAVEZ = "\n  hint: save it with np.savez(file, x=training_examples)"
NO_ARCHIVE = f"T501]: is not an .npz file, or is damaged{SAVEZ}"
NO_X = "T502]: expected an array named x, x_train, image or image_train, found"
PLAIN = "\n  hint: save x as a plain array of numbers"
FORTRAN = f"T501]: cannot be read: it is in Fortran order: save np.ascontiguousarray(x){PLAIN}"
SHAPED = "the network takes (4,)\n  hint: reshape the examples to (n, 4), as the model was trained on them"
NONE = "T504]: holds no examples\n  hint: give a few hundred training examples"
NUMBERS = "expected numbers\n  hint: save x as float32 or uint8"
FINITE = (
    "holds NaN or infinity, or a number too large for float32\n"
    "  hint: remove this example, or correct its values"
)
UNUSABLE = {
    "nothing": (lambda p: None, NO_FILE.replace("not a regular file", "No such file or directory")),
    "a folder": (lambda p: p.mkdir(), NO_FILE),
    "a pipe": (os.mkfifo, NO_FILE),
    "an empty file": (lambda p: p.touch(), NO_ARCHIVE),
    "an .npy": (save_npy, NO_ARCHIVE),
    "cut off": (cut_off, NO_ARCHIVE),
    "no arrays": (saves(), f"{NO_X} no array{SAVEZ}"),
    "no x": (saves(images=X, y=X), f"{NO_X} images, y{SAVEZ}"),
    "in Fortran order": (saves(x=np.asfortranarray(X)), FORTRAN),
    "a single number": (
        saves(x=np.float32(3)),
        f"T501]: cannot be read: it is a single number, expected an array of examples{PLAIN}",
    ),
    "a negative length": (
        lambda p: archive(p, x=npy(X, shape=(-5, 4))),
        f"T501]: cannot be read: its shape is (-5, 4){PLAIN}",
    ),
    "a single example": (saves(x=np.zeros(4)), f"T503]: an example has shape (), {SHAPED}"),
    "another shape": (saves(x=np.zeros((5, 3))), f"T503]: an example has shape (3,), {SHAPED}"),
    "no examples": (saves(x=X[:0]), NONE),
    "text": (saves(x=np.full((5, 4), "a")), f"T504]: examples have dtype <U1, {NUMBERS}"),
    "complex numbers": (saves(x=X.astype("c16")), f"T504]: examples have dtype complex128, {NUMBERS}"),
    "dates": (saves(x=np.zeros((5, 4), "M8[s]")), f"T504]: examples have dtype datetime64[s], {NUMBERS}"),
    "NaN": (saves(x=np.where(np.eye(6, 4, -2), np.nan, X)), f"T505]: example 2 {FINITE}"),
    "numbers too large": (saves(x=X.astype(float) + 1e300), f"T505]: example 0 {FINITE}"),
}


@pytest.mark.parametrize("case", UNUSABLE)
@pytest.mark.filterwarnings("error")
def test_calibration_data_that_cannot_be_used_is_refused(tmp_path, case):
    write, expected = UNUSABLE[case]
    path = tmp_path / "data.npz"
    write(path)
    assert str(refusal(path)) == f"{path}: error[{expected}"


def test_mangled_archives_give_diagnostics_and_no_tracebacks(tmp_path):
    """Bytes changed at random places, headers and directories included."""
    rng, path, refused = np.random.default_rng(0), tmp_path / "data.npz", 0
    for save in (np.savez, np.savez_compressed):
        save(path, x=rng.random((20, 4), np.float32), y=np.arange(20))
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(300):
            raw = whole.copy()
            raw[rng.integers(0, len(raw), 3)] = rng.integers(0, 256, 3)
            path.write_bytes(raw.tobytes())
            try:
                list(open_calibration(path, (Input("image", (4,), ConstantCurrentInput()),)).batches(10))
            except TgennError:
                refused += 1
    assert refused > 100


INPUTS = {"image": {"shape": (4,), "frames": 1, "uint8_divisor": 255.0}}
CLASSES = {"classes": {"shape": (5,), "start": 0, "activation": None}}


def read(path):
    """As a script reads its data."""
    return read_data(path, INPUTS, CLASSES, None)


# np.load, which scripts read data with, takes the first or the last of these, and what it is.
READ_BY_NUMPY = {
    "two sizes",
    "two entries of one name",
    "two names that are one",
    "more than its shape needs",
}


@pytest.mark.parametrize("case", sorted(CASES.keys() - READ_BY_NUMPY))
@pytest.mark.filterwarnings("error")
def test_data_of_a_script_that_cannot_be_read_is_refused_in_little_memory(tmp_path, case):
    write, expected = CASES[case]
    path = tmp_path / "data.npz"
    write(path)
    with memory(GIB), pytest.raises(RunError) as refused:
        read(path)
    said = str(refused.value)
    assert (refused.value.status, said.count("\n")) == (2, 0)
    assert said.startswith(f"{path}: ")
    if expected.startswith(("it has ", "x.npy is neither")):
        assert expected in said


def test_an_array_of_python_2_is_read(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (6L, 4L)}"
    archive(tmp_path / "data.npz", x=with_text(header) + X.tobytes())
    data = open_calibration(tmp_path / "data.npz", (Input("image", (4,), ConstantCurrentInput()),))
    assert data.count == 6


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_is_read_whatever_else_is_in_it(tmp_path, save):
    """Of formats 1.0 and 2.0, in both orders, big-endian, with what is no array beside them."""
    file = io.BytesIO()
    np.lib.format.write_array(file, X.astype(">f8"), version=(2, 0))
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as whole:
        whole.writestr("x.npy", file.getvalue())
        whole.writestr("README", "hello")
    examples, targets = read_data(tmp_path / "data.npz", INPUTS, CLASSES, 4)
    assert np.array_equal(examples["image"], X.astype(np.float64)[:4]) and targets == {}
    save(tmp_path / "data.npz", x=np.asfortranarray(X), y=np.arange(6) % 5)
    examples, targets = read(tmp_path / "data.npz")
    assert np.array_equal(examples["image"], X) and targets["classes"].tolist() == [0, 1, 2, 3, 4, 0]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["\x1b[2J\n"], "\\x1b[2J\\n"),
        ([f"a{i}" for i in range(1000)], "a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 and 990 more"),
    ],
)
def test_of_the_names_in_an_archive_the_first_are_said_and_none_steers_the_terminal(
    tmp_path, names, expected
):
    archive(tmp_path / "data.npz", **dict.fromkeys(names, npy(X)))
    with pytest.raises(RunError) as refused:
        read(tmp_path / "data.npz")
    assert str(refused.value).endswith(f", found {expected}".replace("\\\\", "\\"))
