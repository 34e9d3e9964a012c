"""The run-time part of model.cc that reads and writes files and settings, compared with hashlib and NumPy."""

from __future__ import annotations

import hashlib
import os
import resource
import struct

import numpy as np
import pytest
from cpp_runtime import HEADER, done, needs_compiler, refused, run
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from profiles import tries

pytestmark = needs_compiler
TYPES = ["<f4", "|u1", "<i4", "<i8", "<f8"]
few = tries(25)


def numbers(dtype):
    """Finite elements of this type."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return st.floats(-(2.0**100), 2.0**100, width=dtype.itemsize * 8)
    return st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)


some_arrays = st.sampled_from(TYPES).flatmap(
    lambda dtype: arrays(dtype, array_shapes(max_dims=4, max_side=5), elements=numbers(dtype))
)


def test_lines_of_the_header_are_short():
    assert all(len(line) <= 120 for line in HEADER.read_text().splitlines())


@few
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_sha256_is_that_of_hashlib(pieces):
    edges = [b"\xff" * n for n in (*range(55, 66), *range(119, 130), 1_000_003)]
    pieces = [*pieces, *edges]
    printed = done("sha256", *map(len, pieces), input=b"".join(pieces)).decode().split()
    assert printed == [hashlib.sha256(piece).hexdigest() for piece in pieces]


@few
@given(x=some_arrays, data=st.data())
def test_rows_are_read_as_numpy_reads_them(tmp_path_factory, x, data):
    path = tmp_path_factory.mktemp("npy") / "x.npy"
    np.save(path, x)
    assert done("shape", path).decode() == f"{path} {x.dtype.str} {len(x)} {x.shape}\n"
    first = data.draw(st.integers(0, len(x)))
    count = data.draw(st.integers(0, len(x) - first))
    kinds = ["float32", "float64"] + ["int64"] * (x.dtype.kind in "ui")
    for kind in kinds:
        assert done("read", path, first, count, kind) == x[first : first + count].astype(kind).tobytes()


@few
@given(x=some_arrays, piece=st.integers(1, 50))
def test_files_are_written_with_the_bytes_of_numpy(tmp_path_factory, x, piece):
    folder = tmp_path_factory.mktemp("npy")
    np.save(folder / "numpy.npy", x)
    shape = " ".join(map(str, x.shape))
    done("write", folder / "cpp.npy", x.dtype.str, shape, piece, input=x.tobytes())
    assert (folder / "cpp.npy").read_bytes() == (folder / "numpy.npy").read_bytes()
    assert sorted(p.name for p in folder.iterdir()) == ["cpp.npy", "numpy.npy"]


@pytest.mark.parametrize("shape", [(0, 3), (12345678901, 0), (1,) * 30])
def test_unusual_shapes_are_written_and_read_as_numpy_does(tmp_path, shape):
    x = np.zeros(shape, np.float32)
    np.save(tmp_path / "numpy.npy", x)
    done("write", tmp_path / "cpp.npy", "<f4", " ".join(map(str, shape)), 4, input=x.tobytes())
    assert (tmp_path / "cpp.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    assert done("shape", tmp_path / "cpp.npy").decode().endswith(f" <f4 {len(x)} {shape}\n")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_read(tmp_path, version):
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, x, version)
    assert done("read", tmp_path / "x.npy", 1, 2, "float32") == x[1:].tobytes()


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """The bytes of an .npy file with such a header."""
    length = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    return b"\x93NUMPY" + version + length + header.encode("latin1") + data


def header(descr="'<f4'", order="False", shape="(2, 3)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    "text",
    [
        "{'descr':'<f4','fortran_order':False,'shape':(2,3)}",
        "{ 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, ) }   \n",
        header(),
    ],
)
def test_headers_of_other_writers_are_read(tmp_path, text):
    (tmp_path / "x.npy").write_bytes(npy(text, bytes(24)))
    assert done("shape", tmp_path / "x.npy").decode().endswith(" <f4 2 (2, 3)\n")


DAMAGED = "has a damaged header, or no numbers: make it with tgenn data"
FOREIGN = "is not an .npy file: make it with tgenn data"
HELD = "has {} bytes of data, which is not the size of <f4 {}"
UNREAD = "has type {}, expected <f4, <f8, <i4, <i8 or |u1: make it with tgenn data"
HALF = 2**62 // 4

FILES = {
    "empty": (b"", FOREIGN),
    "text": (b"hello, world\n", FOREIGN),
    "an archive": (b"PK\x03\x04" + bytes(100), FOREIGN),
    "half a magic": (b"\x93NUM", FOREIGN),
    "magic alone": (b"\x93NUMPY", FOREIGN),
    "no length": (b"\x93NUMPY\x02\x00\x01\x00", FOREIGN),
    "version 0": (npy(header(), bytes(24), b"\x00\x00"), FOREIGN),
    "version 4": (npy(header(), bytes(24), b"\x04\x00"), FOREIGN),
    "a header that ends early": (npy(header())[:-30], DAMAGED),
    "a header of gigabytes": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", DAMAGED),
    "a header that is too long": (npy(header() + " " * 2000, bytes(24)), DAMAGED),
    "truncated": (npy(header(), bytes(23)), HELD.format(23, "(2, 3)")),
    "too long": (npy(header(), bytes(25)), HELD.format(25, "(2, 3)")),
    "no data": (npy(header()), HELD.format(0, "(2, 3)")),
    "big-endian": (npy(header("'>f4'"), bytes(24)), UNREAD.format(">f4")),
    "half precision": (npy(header("'<f2'"), bytes(12)), UNREAD.format("<f2")),
    "complex": (npy(header("'<c8'"), bytes(48)), UNREAD.format("<c8")),
    "text elements": (npy(header("'<U1'"), bytes(24)), UNREAD.format("<U1")),
    "objects": (npy(header("'|O'"), bytes(24)), UNREAD.format("|O")),
    "true and false": (npy(header("'|b1'"), bytes(6)), UNREAD.format("|b1")),
    "a type of many lines": (npy(header("'a\nb\x1b[0m'")), UNREAD.format("a?b?[0m")),
    "a long type": (npy(header(f"'{'x' * 500}'")), UNREAD.format("x" * 60 + "...")),
    "fields": (npy(header("[('a', '<f4')]"), bytes(24)), UNREAD.format("[(")),
    "Fortran order": (
        npy(header(order="True"), bytes(24)),
        "is in Fortran order: save numpy.ascontiguousarray of it",
    ),
    "a number": (npy(header(shape="()"), bytes(4)), "is a single number, expected an array"),
    "a shape below zero": (npy(header(shape="(-2, 3)"), bytes(24)), DAMAGED),
    "a shape of commas": (npy(header(shape="(,)"), bytes(24)), "is a single number, expected an array"),
    "a shape in a list": (npy(header(shape="[2, 3]"), bytes(24)), DAMAGED),
    "a shape of text": (npy(header(shape="(2, '3')"), bytes(24)), DAMAGED),
    "a shape that does not end": (npy(header(shape="(2, 3")), DAMAGED),
    "a shape beyond memory": (
        npy(header(shape=f"({HALF}, 2)").replace(str(HALF), "1" * 18), bytes(24)),
        HELD.format(24, f"({'1' * 18}, 2)"),
    ),
    "a shape whose product is 24 bytes modulo 2^64": (
        npy(header(shape="(2251799813685249, 2048, 3)"), bytes(24)),
        HELD.format(24, "(2251799813685249, 2048, 3)"),
    ),
    "a shape whose product is 0 modulo 2^64": (
        npy(header(shape=f"({2**33}, {2**33})")),
        HELD.format(0, f"({2**33}, {2**33})"),
    ),
    "another word for the order": (npy(header(order="Maybe"), bytes(24)), DAMAGED),
    "a key less": (npy("{'descr': '<f4', 'shape': (2,)}", bytes(8)), DAMAGED),
    "no dictionary": (npy("hello"), DAMAGED),
    "no header": (npy(""), FOREIGN),
    "no header before data": (npy("", bytes(24)), DAMAGED),
    "zeros": (npy("\0" * 100), DAMAGED),
    "an open quote": (npy("{'descr"), DAMAGED),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_array_is_refused(tmp_path, case):
    content, expected = FILES[case]
    (tmp_path / "x.npy").write_bytes(content)
    assert refused("shape", tmp_path / "x.npy") == f"{tmp_path / 'x.npy'}: {expected}"


@few
@given(damage=st.dictionaries(st.integers(0, 69), st.integers(0, 255), min_size=1, max_size=4))
def test_a_file_with_damaged_bytes_is_refused_in_one_line_or_read(tmp_path_factory, damage):
    """The sanitizers end the program with another status."""
    content = bytearray(npy(header(), bytes(24)))
    for at, byte in damage.items():
        content[at] = byte
    path = tmp_path_factory.mktemp("npy") / "x.npy"
    path.write_bytes(content)
    ended = run("read", path, 0, 2, "float32")
    assert (ended.returncode, ended.stderr.count(b"\n")) in ((0, 0), (2, 1)), ended.stderr.decode()


def test_one_axis_in_fortran_order_is_read(tmp_path):
    (tmp_path / "x.npy").write_bytes(npy(header(order="True", shape="(6,)"), bytes(24)))
    assert done("shape", tmp_path / "x.npy").decode().endswith(" <f4 6 (6,)\n")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path, make, expected):
    make(tmp_path / "x.npy")
    assert refused("shape", tmp_path / "x.npy") == f"{tmp_path / 'x.npy'}: {expected}"


def test_a_file_that_is_not_closed_is_not_there(tmp_path):
    said = refused("abandon", tmp_path / "x.npy")
    assert said == "abandoned"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    path = tmp_path / "no" / "x.npy"
    said = refused("write", path, "<f4", "1", 4, input=bytes(4))
    assert said == f"{path}: cannot be written: No such file or directory"
    (tmp_path / "x.npy").mkdir()
    said = refused("write", tmp_path / "x.npy", "<f4", "1", 4, input=bytes(4))
    assert said == f"{tmp_path / 'x.npy'}: cannot be written: Is a directory"
    assert list(tmp_path.iterdir()) == [tmp_path / "x.npy"]


@pytest.mark.parametrize("piece", [100, 1_000_000])
def test_a_disk_that_is_full_is_said_and_what_was_there_stays(tmp_path, piece):
    """A limit on the size of files is met as a full disk is."""
    (tmp_path / "x.npy").write_bytes(b"before")
    said = refused(
        *("write", tmp_path / "x.npy", "|u1", "200000", piece),
        input=bytes(200_000),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        restore_signals=False,  # SIGXFSZ stays ignored
    )
    assert said == f"{tmp_path / 'x.npy'}: cannot be written: File too large"
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def environment(**variables: object) -> dict[str, str]:
    """The environment with these settings alone."""
    there = {name: value for name, value in os.environ.items() if not name.startswith("TGENN_RUN_")}
    return {**there, **{f"TGENN_RUN_{name}": str(value) for name, value in variables.items()}}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "examples,0,0/1,50,0,auto,0,"),
        (dict.fromkeys(["DATA", "LIMIT", "TIMESTEPS", "SEED", "OUTPUT"], ""), "examples,0,0/1,50,0,auto,0,"),
        (
            {"DATA": "a b", "LIMIT": "10", "TIMESTEPS": "1000", "BATCH_SIZE": "64"},
            "a b,10,0/1,1000,64,auto,0,",
        ),
        ({"CONNECTIVITY": "toeplitz", "SEED": "4294967295"}, "examples,0,0/1,50,0,toeplitz,4294967295,"),
        ({"CONNECTIVITY": "sparse", "TIMESTEPS": "6"}, "examples,0,0/1,6,0,sparse,0,"),
        ({"LIMIT": "000000007", "OUTPUT": "new"}, "examples,7,0/1,50,0,auto,0,new"),
        ({"OUTPUT": "new/"}, "examples,0,0/1,50,0,auto,0,new/"),
        ({"OUTPUT": "."}, "examples,0,0/1,50,0,auto,0,."),
        ({"SHARD": "3/10"}, "examples,0,3/10,50,0,auto,0,"),
    ],
)
def test_settings_come_from_the_environment(tmp_path, variables, expected):
    printed = done("settings", 50, 1000, 5, env=environment(**variables), cwd=tmp_path)
    assert printed.decode() == expected + "\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("task", "expected"), [("3 0 1 8", "3/8"), ("4 1 1 4", "3/4"), ("6 0 2 4", "3/4"), ("9 1 1 3", "")]
)
def test_auto_is_the_part_of_a_task_of_a_slurm_array(task, expected):
    names = ("ID", "MIN", "STEP", "COUNT")
    slurm = {f"SLURM_ARRAY_TASK_{name}": value for name, value in zip(names, task.split(), strict=True)}
    arguments = ("settings", 50, 1000, 5)
    if expected:
        printed = done(*arguments, env={**environment(SHARD="auto"), **slurm}).decode()
        assert printed == f"examples,0,{expected},50,0,auto,0,\n"
    else:
        message = "TGENN_RUN_SHARD=auto: number the tasks of the array from 0 to 2"
        assert refused(*arguments, env={**environment(SHARD="auto"), **slurm}).endswith(message)


KNOWN = "DATA LIMIT SHARD TIMESTEPS BATCH_SIZE CONNECTIVITY SEED OUTPUT".split()
SHARD = "TGENN_RUN_SHARD: expected I/N with I from 0 to N - 1, such as 0/4, or auto, got '{}'"
START = "start the program with sbatch --array=0-3"
WHOLE = "TGENN_RUN_{}: expected a whole number from {} to {}, got '{}'"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *(
            ("SHARD", text, SHARD.format(text))
            for text in ("4/4", "3", "-1/3", "1/", "/2", "1/2/3", "x/3", "0/" + "9" * 30)
        ),
        ("SHARD", "auto", "TGENN_RUN_SHARD=auto: SLURM_ARRAY_TASK_ID is not set: " + START),
        ("TIMESTEPS", "0", WHOLE.format("TIMESTEPS", 1, 999999999, 0)),
        ("TIMESTEPS", "x", WHOLE.format("TIMESTEPS", 1, 999999999, "x")),
        ("TIMESTEPS", "1" + "0" * 30, WHOLE.format("TIMESTEPS", 1, 999999999, "1" + "0" * 30)),
        ("LIMIT", "0", WHOLE.format("LIMIT", 1, 999999999, 0)),
        ("LIMIT", "-3", WHOLE.format("LIMIT", 1, 999999999, -3)),
        ("LIMIT", " 3", WHOLE.format("LIMIT", 1, 999999999, " 3")),
        ("LIMIT", "1000000000", WHOLE.format("LIMIT", 1, 999999999, 1000000000)),
        ("BATCH_SIZE", "1.5", WHOLE.format("BATCH_SIZE", 1, 999999999, 1.5)),
        ("BATCH_SIZE", "1\n2", WHOLE.format("BATCH_SIZE", 1, 999999999, "1?2")),
        ("SEED", "4294967296", WHOLE.format("SEED", 0, 4294967295, 4294967296)),
        ("SEED", "0x10", WHOLE.format("SEED", 0, 4294967295, "0x10")),
        ("TIMESTEPS", "1001", "TGENN_RUN_TIMESTEPS=1001: expected at most 1000"),
        ("TIMESTEPS", "5", "TGENN_RUN_TIMESTEPS=5: expected more than 5, where the readout starts"),
        (
            "CONNECTIVITY",
            "Sparse",
            "TGENN_RUN_CONNECTIVITY: expected auto, sparse or toeplitz, got 'Sparse'",
        ),
        ("OUTPUT", "file", "TGENN_RUN_OUTPUT=file: is not a folder"),
        ("OUTPUT", "examples/", "TGENN_RUN_OUTPUT=examples/: is the folder of the data"),
        ("OUTPUT", "/no/such/out", "TGENN_RUN_OUTPUT=/no/such/out: there is no folder /no/such"),
        ("OUTPUT", "file/out", "TGENN_RUN_OUTPUT=file/out: there is no folder {}/file"),
        *(
            (name, "1", f"TGENN_RUN_{name}: unknown setting, expected one of TGENN_RUN_" + known)
            for known in [", TGENN_RUN_".join(KNOWN)]
            for name in ("TIMESTEP", "timesteps", "")
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(tmp_path, name, value, expected):
    (tmp_path / "file").write_text("")
    (tmp_path / "examples").mkdir()
    said = refused("settings", 50, 1000, 5, env=environment(**{name: value}), cwd=tmp_path)
    assert said == expected.format(tmp_path)


def project(folder, x):
    """A folder with one weight file and its hash."""
    (folder / "weights").mkdir()
    np.save(folder / "weights/k.npy", x)
    digest = hashlib.sha256((folder / "weights/k.npy").read_bytes()).hexdigest()
    (folder / "weights/SHA256SUMS").write_text(f"{digest}  weights/k.npy\n")
    return "weights/k.npy"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_weights_are_those_of_the_file_that_has_the_hash(tmp_path, ends):
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    file = project(tmp_path, x)
    sums = tmp_path / "weights/SHA256SUMS"
    sums.write_bytes(sums.read_text().replace("\n", ends).encode())
    assert done("weights", file, 2, 3, 2, cwd=tmp_path) == x.tobytes()


@pytest.mark.parametrize(
    ("x", "damage", "expected"),
    [
        (np.zeros((2, 3), np.float64), None, "holds <f8 (2, 3), model.cc expects <f4 (2, 3)"),
        (np.zeros((3, 2), np.float32), None, "holds <f4 (3, 2), model.cc expects <f4 (2, 3)"),
        (np.full((2, 3), np.nan, np.float32), None, "holds NaN or infinity"),
        (np.zeros((2, 3), np.float32), lambda f: f.write_bytes(b"x"), "its hash is not the one in weights/"),
        (np.zeros((2, 3), np.float32), lambda f: f.unlink(), "cannot be read: run this in the folder of"),
        (
            np.zeros((2, 3), np.float32),
            lambda f: (f.parent / "SHA256SUMS").unlink(),
            "its hash is not the one in weights/SHA256SUMS: if you changed it, run tgenn lock, or",
        ),
    ],
)
def test_weights_that_are_not_what_they_should_be_are_refused(tmp_path, x, damage, expected):
    file = project(tmp_path, x)
    if damage is not None:
        damage(tmp_path / file)
    assert refused("weights", file, 2, 3, cwd=tmp_path).startswith(f"{file}: {expected}")


def test_a_document_that_was_edited_is_noted_whatever_its_line_ends(tmp_path):
    text = b"format: tgenn/2\nname: a\n"
    digest = hashlib.sha256(text).hexdigest()
    assert run("outdated", digest, cwd=tmp_path).stderr == b""  # without a document
    for content, said in ((text, False), (text.replace(b"\n", b"\r\n"), False), (text + b"\n", True)):
        (tmp_path / "network.yaml").write_bytes(content)
        stderr = run("outdated", digest, cwd=tmp_path).stderr
        assert (b"network.yaml was edited since model.cc was generated" in stderr) == said
