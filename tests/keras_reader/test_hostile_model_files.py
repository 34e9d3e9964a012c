"""Model files that claim what is not so: refused in words before Keras reads them, and in 1 GiB of memory."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from limits import memory

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

from tgenn_gen.errors import TgennError  # noqa: E402
from tgenn_gen.keras_reader.hdf5_file import hdf5_problem  # noqa: E402
from tgenn_gen.keras_reader.model_file import open_model_file, refuse_code, refuse_other_content  # noqa: E402

pytestmark = pytest.mark.slow
GIB = 2**30
CONFIG = json.dumps({"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": []}})
HINT = "save the model again with Keras, as .keras"
TOO_LARGE = "HDF5 needs more memory to read it than a file of this size should take"


def weights(write=None) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened["layers/dense/vars/0"] = np.zeros((4, 2), np.float32)
        opened.attrs["model_config"] = CONFIG
        if write:
            write(opened)
    return file.getvalue()


def write_model(path, write=None, method=zipfile.ZIP_STORED, **others):
    """A .keras or .h5 file with other weights, a .keras file with other entries than Keras writes."""
    if path.suffix == ".h5":
        path.write_bytes(weights(write))
        return
    entries = {"metadata.json": '{"keras_version": "3.15.1"}', "config.json": CONFIG}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in {**entries, "model.weights.h5": weights(write), **others}.items():
            archive.writestr(name, data)


def check(path):
    """As load_model does before Keras loads the file."""
    file = open_model_file(path)
    refuse_code(file)
    refuse_other_content(file)


def said(path) -> str:
    with memory(GIB), pytest.raises(TgennError) as caught:
        check(path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.hint) == ("T401", HINT)
    return found.message


def to_another_file(file):
    file.create_dataset("x", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("x", layout)


def many_names(file):
    file.create_dataset("x", (2**18,), "f4", compression="gzip")
    file.update({f"x{i}": file["x"] for i in range(2000)})


def packed(shape, chunks):
    """An array that takes no place."""
    return lambda f: f.create_dataset("x", shape, "f4", maxshape=(None,), chunks=chunks, compression="gzip")


LINK, ELSEWHERE = "x in it is a link, expected data", "the data of /x is in another file"
WRITERS = {
    "a link to another file": (lambda f: f.update({"layers/x": h5py.ExternalLink("/etc/passwd", "/")}), LINK),
    "a link to another place": (lambda f: f.update({"x": h5py.SoftLink("/layers")}), LINK),
    "numbers in another file": (to_another_file, ELSEWHERE),
    "numbers of other files": (virtual, ELSEWHERE),
    "texts of any length": (
        lambda f: f.create_dataset("x", (3,), h5py.string_dtype()),
        "/x in it has elements of variable length",
    ),
    "a huge shape": (packed((2**42,), (1024,)), "it has 17592186044424 bytes unpacked"),
    "a huge chunk": (packed((1,), (2**29,)), "it has 2147483656 bytes unpacked"),
    "many names of one array": (many_names, "it has "),
}


@pytest.mark.parametrize("case", WRITERS)
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_weights_that_keras_does_not_write_are_refused(tmp_path, name, case):
    write, expected = WRITERS[case]
    write_model(tmp_path / name, write)
    assert expected in said(tmp_path / name)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_weights_are_read_packed_or_not_and_in_groups_that_hold_themselves(tmp_path, name):
    def write(file):
        file.create_dataset("x", data=np.arange(10), chunks=(3,), compression="gzip", shuffle=True)
        file["layers/again"] = file["layers"]

    write_model(tmp_path / name, write)
    check(tmp_path / name)


def twice(path):
    write_model(path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning):
        archive.writestr("config.json", CONFIG)


def holds(name):
    return f"it contains {name}, which no supported layer has"


def bomb(path):
    write_model(path, method=zipfile.ZIP_DEFLATED, **{"model.weights.h5": bytes(2**27)})


ARCHIVES = {
    "other weights": (lambda p: write_model(p, **{"model.weights.npz": "x"}), holds("model.weights.npz")),
    "assets of layers": (lambda p: write_model(p, **{"assets/x": "x"}), holds("assets/x")),
    "a file of the folder above": (lambda p: write_model(p, **{"../x": "x"}), holds("../x")),
    "a file of the root": (lambda p: write_model(p, **{"/x": "x"}), holds("/x")),
    "two configurations": (twice, "2 entries have the same name, config.json"),
    "a method without a bound": (
        lambda p: write_model(p, method=zipfile.ZIP_BZIP2),
        "its entry metadata.json is neither stored nor deflated",
    ),
    "a bomb": (bomb, "it has 1342178"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_keras_does_not_write_is_refused(tmp_path, monkeypatch, case):
    monkeypatch.setattr("tgenn_gen.runtime.data.MAX_UNPACKED", 2**26)
    write, expected = ARCHIVES[case]
    write(tmp_path / "m.keras")
    assert said(tmp_path / "m.keras").startswith(expected)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_configuration_that_python_would_make_thirty_times_larger_is_refused(tmp_path, name):
    config = '{"module": "keras", "class_name": "Sequential", "config": [' + "{}," * 2**22 + "{}]}"
    path = tmp_path / name
    write_model(path, lambda file: file.attrs.update(model_config=config), **{"config.json": config})
    assert f"has {len(config)} bytes, expected at most 8388608" in said(path)


def test_many_layers_that_are_refused_take_no_longer_than_their_number(tmp_path):
    layers = [{"class_name": "Evil", "config": {"name": f"e{i}"}} for i in range(20000)]
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": layers}}
    write_model(tmp_path / "m.keras", **{"config.json": json.dumps(config)})
    started = time.process_time()
    with pytest.raises(TgennError) as caught:
        check(tmp_path / "m.keras")
    assert caught.value.diagnostics[0].code == "T404"
    assert time.process_time() - started < 5


@pytest.mark.slow
def test_an_attribute_of_one_long_text_many_times_is_refused(tmp_path):
    """Each of its elements is a length, an address and a number: the same ones, 2000 times a megabyte."""
    path, count = tmp_path / "m.h5", 2000
    text = h5py.string_dtype()
    raw = weights(lambda f: f.attrs.create("names", ["a" * 2**20] + ["b"] * (count - 1), dtype=text))
    length = (2**20).to_bytes(4, "little")
    places = (i for i in range(len(raw)) if raw[i : i + 4] == length)
    elements = next(i for i in places if raw[i + 16 : i + 20] == b"\1\0\0\0")
    path.write_bytes(raw[:elements] + raw[elements : elements + 16] * count + raw[elements + 16 * count :])
    assert said(path) == TOO_LARGE


@pytest.mark.slow
def test_a_file_on_which_hdf5_never_ends_is_refused(tmp_path, monkeypatch):
    """The length of a text in the heap is such that what follows it is the text itself."""
    monkeypatch.setattr("tgenn_gen.keras_reader.hdf5_file.SECONDS", 5)
    path, raw = tmp_path / "m.h5", bytearray(weights())
    path.write_bytes(raw)
    assert hdf5_problem(path) == ""  # in that time
    heap = raw.index(b"GCOL")
    raw[heap + 24 : heap + 32] = (2**64 - 16).to_bytes(8, "little")
    path.write_bytes(raw)
    assert said(path).startswith(("HDF5 ", "reading it with HDF5 "))  # it hangs, or crashes


@pytest.mark.slow
def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tgenn_gen.keras_reader.hdf5_file.SECONDS", 5)
    whole, rng = weights(), np.random.default_rng(0)
    path, problems = tmp_path / "m.h5", []
    for _ in range(8):
        raw = np.frombuffer(whole, np.uint8).copy()
        raw[rng.integers(0, 3000, 60)] = rng.integers(0, 256, 60)
        path.write_bytes(raw.tobytes())
        problems.append(hdf5_problem(path))
    assert any(problems) and all(not p or p.startswith("HDF5 ") for p in problems), problems


def test_nothing_in_the_present_folder_is_run(tmp_path, monkeypatch):
    """Where a stranger's model is unpacked, there may be files named like modules beside it."""
    for name in ("json", "h5py", "sys", "tgenn_gen", "io", "pathlib"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as in a notebook
    write_model(tmp_path / "m.keras")
    assert hdf5_problem(tmp_path / "m.keras") == ""
    assert not (tmp_path / "ran").exists()


def test_models_are_read_where_memory_is_limited_already(tmp_path):
    """As clusters do: the limit of the process that reads first cannot be above that one."""
    write_model(tmp_path / "m.keras")
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); "
    code += "from tgenn_gen.keras_reader.hdf5_file import hdf5_problem; from pathlib import Path; "
    code += "print(repr(hdf5_problem(Path(sys.argv[1]))))"
    command = [sys.executable, "-c", code, tmp_path / "m.keras"]
    with_one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=with_one_thread)
    assert done.stdout == "''\n", done.stderr
