"""Zip archives of examples that claim what is not so: refused in words, and in 1 GiB of memory."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from limits import memory

from tgenn_gen.conversion.calibration import open_calibration
from tgenn_gen.errors import TgennError
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Input
from tgenn_gen.runtime.data import read_data

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
    count = 10**5
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


DAMAGED = "is not one, or damaged"
HEADER = "its header is not that of an array"
CASES = {
    "a bomb": (
        lambda p: bomb(p, npy(np.zeros((0, 4), np.uint8), shape=(3 * GIB // 4, 4)), b"\0"),
        "unpacked it has 3221225600 bytes",
    ),
    "bzip2, which unpacks a block of any size at once": (
        lambda p: archive(p, zipfile.ZIP_BZIP2, x=npy(X)),
        "x.npy is neither stored nor deflated",
    ),
    "LZMA, which has dictionaries of any size": (
        lambda p: archive(p, zipfile.ZIP_LZMA, x=npy(X)),
        "x.npy is neither stored nor deflated",
    ),
    # Format 2.0 has 32 bits for the header's length, and NumPy reads that much before it looks.
    "a header of 3 GiB": (
        lambda p: bomb(p, b"\x93NUMPY\x02\x00" + struct.pack("<I", 3 * GIB), b" "),
        "unpacked it has 3221225484 bytes",
    ),
    "a header of 60 MiB": (
        lambda p: archive(
            p, DEFLATED, x=b"\x93NUMPY\x02\x00" + struct.pack("<I", 60 * 2**20) + b" " * 60 * 2**20
        ),
        "its header has 62914560 bytes, the largest that is read has 4096",
    ),
    "entries that overlap": (overlapping, "unpacked it has 4194816000 bytes"),
    "a directory of 5 MB": (a_directory_of_very_many_entries, "it has none"),
    "two entries of one name": (twice, "2 of its entries are named x.npy"),
    "two names that are one": (twice_but_for_what_follows_a_nul, "2 of its entries are named x.npy"),
    "an encrypted entry": (lambda p: changed(p, flags=1), "is encrypted, password required"),
    "an unknown method": (lambda p: changed(p, method=99), "x.npy is neither stored nor deflated"),
    "a size that is too large": (
        lambda p: changed(p, size=2**31, packed=2**31),
        "unpacked it has 2147483648 bytes",
    ),
    "two sizes": (lambda p: changed(p, size=2**20), "x holds 1048448 bytes of data, its shape needs 96"),
    "two sizes of what is deflated": (
        lambda p: changed(p, size=2**20, method=DEFLATED),
        "",  # it cannot be unpacked at all
    ),
    "an archive that is cut off": (cut_off, ""),
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
        "it holds pickled Python objects, which are never loaded",
    ),
    "no dictionary": (lambda p: archive(p, x=with_text(b"-" * 4000 + b"1")), HEADER),
    "a dictionary with a list for a key": (lambda p: archive(p, x=with_text(b"{[]: 1}")), HEADER),
    "a dtype of nothing": (
        lambda p: archive(p, x=with_text(b"{'descr': (), 'fortran_order': False, 'shape': (6, 4)}")),
        HEADER,
    ),
    "a name of another folder alone": (
        lambda p: archive(p, **{"../x": npy(X), "/x": npy(X)}),
        "no array x, ",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("error")
def test_calibration_data_that_is_not_what_it_says_is_refused(tmp_path, case):
    write, expected = CASES[case]
    path = tmp_path / "data.npz"
    write(path)
    with memory(GIB), pytest.raises(TgennError) as caught:
        list(open_calibration(path, (Input("image", (4,), ConstantCurrentInput()),)).batches(10))
    (found,) = caught.value.diagnostics
    assert found.code in ("T501", "T502") and found.hint and expected in found.message


INPUTS = {"image": {"shape": (4,), "uint8_divisor": 255.0}}


# np.load, which scripts read data with, takes the first or the last of these, and what it is.
READ_BY_NUMPY = {
    "two sizes",
    "two entries of one name",
    "two names that are one",
    "more than its shape needs",
}


@pytest.mark.parametrize("case", sorted(CASES.keys() - READ_BY_NUMPY))
@pytest.mark.filterwarnings("error")
def test_data_of_a_script_that_cannot_be_read_is_refused_in_little_memory(tmp_path, capsys, case):
    write, _ = CASES[case]
    path = tmp_path / "data.npz"
    write(path)
    with memory(GIB), pytest.raises(SystemExit) as end:
        read_data(path, INPUTS, {"classes": {"shape": (5,), "start": 0}}, None)
    captured = capsys.readouterr()
    assert (end.value.code, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert f"{path}: " in captured.err


@pytest.mark.parametrize("case", ["a bomb", "bzip2, which unpacks a block of any size at once"])
def test_a_script_says_what_it_does_not_unpack(tmp_path, capsys, case):
    write, expected = CASES[case]
    write(tmp_path / "data.npz")
    with pytest.raises(SystemExit):
        read_data(tmp_path / "data.npz", INPUTS, {"classes": {"shape": (5,), "start": 0}}, None)
    assert f"data.npz: cannot be read as .npz: {expected}" in capsys.readouterr().err.replace(
        "its entry ", ""
    )


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
    examples, targets = read_data(tmp_path / "data.npz", INPUTS, {"classes": {"shape": (5,)}}, 4)
    assert np.array_equal(examples["image"], X.astype(np.float64)[:4]) and targets == {}
    save(tmp_path / "data.npz", x=np.asfortranarray(X), y=np.arange(6) % 5)
    examples, targets = read_data(tmp_path / "data.npz", INPUTS, {"classes": {"shape": (5,)}}, None)
    assert np.array_equal(examples["image"], X) and targets["classes"].tolist() == [0, 1, 2, 3, 4, 0]


def test_names_in_an_archive_do_not_steer_the_terminal(tmp_path, capsys):
    archive(tmp_path / "data.npz", **{"\x1b[2J\n": npy(X)})
    with pytest.raises(SystemExit):
        read_data(tmp_path / "data.npz", INPUTS, {"classes": {"shape": (5,)}}, None)
    assert capsys.readouterr().err.endswith("; it has \\x1b[2J\\n\n")


def test_of_very_many_names_the_first_are_said(tmp_path, capsys):
    archive(tmp_path / "data.npz", **{f"a{i}": b"" for i in range(1000)})
    with pytest.raises(SystemExit):
        read_data(tmp_path / "data.npz", INPUTS, {"classes": {"shape": (5,)}}, None)
    assert capsys.readouterr().err.endswith("; it has a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 and 990 more\n")
