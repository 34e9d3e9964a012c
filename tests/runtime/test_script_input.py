"""Generated scripts on input that they cannot use: one line on stderr, the exit status, nothing written."""

# ruff: noqa: E501  (a message stands in one piece)
from __future__ import annotations

import io
import os
import resource
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest
from golden import GENERATED
from sample_networks import dyadic_examples
from scripts import run_here, run_script

X = dyadic_examples((7, 10, 2), 6)
Y = np.arange(6) % 5
WITH_NAN = X.copy()
WITH_NAN[2, 0, 0, 0] = np.nan


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts") / "small_cnn"
    shutil.copytree(GENERATED / "small_cnn", folder)
    np.savez(folder / "good.npz", x=X, y=Y)
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the folder that a test may change."""
    return shutil.copytree(folder, tmp_path / "copy")


def refused(folder, *arguments, script="reference.py", data=None, status=2) -> str:
    """What the script says, in one line, when it refuses; it writes nothing, beside itself and elsewhere."""
    data = data or folder / "good.npz"

    def there():
        return {p for f in (folder, data.parent) for p in f.rglob("*")}

    before = there()
    done = run_here(folder / script, "--data", data, *arguments)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert there() == before
    start, said = done.stderr.split("error: ", 1)
    assert start.endswith(f"{script}: ") and said.count("\n") == 1
    return said.removesuffix("\n")


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


NOT_READ = "DATA: cannot be read as .npz: "
NOT_X = "DATA: expected an array named x, x_test, image or image_test, found "
LABELS = "expected class numbers, integers (6,), or values (6, 5)"
TOO_LARGE = "holds NaN or infinity, or a number too large for float32"
DATA = {
    "missing": (lambda path: None, NOT_READ + "No such file or directory"),
    "an .npy": (
        lambda path: np.save(path.open("wb"), X),
        "DATA: expected an .npz with arrays x and y, got a single array",
    ),
    "text": (lambda path: path.write_text("hello\n"), "DATA: is not an .npz file, or is damaged"),
    "an archive of nothing": (lambda path: np.savez(path), NOT_X + "no array"),
    "no x": (npz(images=X, y=Y), NOT_X + "images, y"),
    "x_train alone": (npz(x_train=X, y_train=Y), NOT_X + "x_train, y_train"),
    "another shape": (npz(x=X[:, :5], y=Y), "DATA: an example has shape (5, 10, 2), the network takes (7, 10, 2)"),
    "flat": (npz(x=X.reshape(6, -1), y=Y), "DATA: an example has shape (140,), the network takes (7, 10, 2)"),
    "no axis for the examples": (npz(x=X[0], y=Y), "DATA: an example has shape (10, 2), the network takes (7, 10, 2)"),
    "text for numbers": (npz(x=np.full((6, 7, 10, 2), "a"), y=Y), "DATA: examples have dtype <U1, expected numbers"),
    "complex numbers": (npz(x=X.astype(complex), y=Y), "DATA: examples have dtype complex128, expected numbers"),
    "no examples": (npz(x=X[:0], y=Y[:0]), "DATA: holds no examples"),
    "NaN": (npz(x=WITH_NAN, y=Y), f"DATA: example 2 {TOO_LARGE}"),
    "numbers too large": (npz(x=X.astype(float) * 1e300 + 1e300, y=Y), f"DATA: example 0 {TOO_LARGE}"),
    "a single number": (npz(x=np.array(3.0), y=Y), "DATA: the examples are not an array"),
    "a single label": (npz(x=X, y=np.array(3)), f"DATA: y is int64 (), {LABELS}"),
    "too few labels": (npz(x=X, y=Y[:4]), f"DATA: y is int64 (4,), {LABELS}"),
    "too many labels": (npz(x=X, y=np.arange(9) % 5), f"DATA: y is int64 (9,), {LABELS}"),
    "one-hot labels": (npz(x=X, y=np.eye(5)[Y]), "DATA: y is one-hot, expected class numbers: save y.argmax(axis=-1)"),
    "labels too large": (npz(x=X, y=Y + 1), "DATA: y has classes 1 to 5, the network has 0 to 4"),
    "labels below zero": (npz(x=X, y=Y - 1), "DATA: y has classes -1 to 3, the network has 0 to 4"),
    "labels beyond int64": (
        npz(x=X, y=np.full(6, 2**64 - 1, np.uint64)),
        "DATA: y has classes 18446744073709551615 to 18446744073709551615, the network has 0 to 4",
    ),
    "labels that are not whole": (npz(x=X, y=Y.astype(float)), f"DATA: y is float64 (6,), {LABELS}"),
    "labels that are true or false": (npz(x=X, y=Y > 2), f"DATA: y is bool (6,), {LABELS}"),
    "labels that are text": (npz(x=X, y=np.full(6, "a")), f"DATA: y is <U1 (6,), {LABELS}"),
    "pickled labels": (
        npz(x=X, y=np.array([{}] * 6)),
        NOT_READ + "Object arrays cannot be loaded when allow_pickle=False",
    ),
}  # fmt: skip


@pytest.mark.parametrize("limit", [(), ("--limit", 3)], ids=["all", "limit"])
@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_used_is_refused_whatever_the_limit(folder, tmp_path, case, limit):
    """Six examples and four labels do not belong together, not even the first three of them."""
    write, expected = DATA[case]
    path = tmp_path / "data.npz"
    write(path)
    options = ("--json", tmp_path / "result.json", "--save-outputs", tmp_path / "out.npz", *limit)
    assert refused(folder, *options, data=path) == expected.replace("DATA", str(path))


def damaged() -> bytes:
    """An archive with another byte in its middle."""
    file = io.BytesIO()
    np.savez_compressed(file, x=np.random.default_rng(0).random(X.shape), y=Y)
    content = bytearray(file.getvalue())
    content[len(content) // 3] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize("content", [b"hello", b"", b"PK\x03\x04 not whole", damaged()])
def test_a_file_that_is_no_whole_archive_is_refused(folder, tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    path = tmp_path / "data.npz"
    assert refused(folder, data=path) == f"{path}: is not an .npz file, or is damaged"


def test_pickled_data_is_refused_and_not_loaded(folder, tmp_path):
    class Trace:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    np.savez(tmp_path / "data.npz", x=np.array([Trace()] * 6, object), y=Y)
    assert "cannot be read as .npz: Object arrays cannot be loaded" in refused(
        folder, data=tmp_path / "data.npz"
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("option", "shown"), [("--data", ""), ("--json", "--json ")])
def test_a_pipe_is_neither_read_nor_replaced(folder, tmp_path, option, shown):
    """--json /dev/null, run by root, would make a plain file of the device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = () if option == "--data" else ("--data", folder / "good.npz")
    done = run_script(folder / "reference.py", *data, option, pipe, timeout=10)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert done.stderr == f"reference.py: error: {shown}{pipe}: is not a regular file\n"
    assert (done.returncode, done.stdout) == (2, "")


WHOLE = "expected a whole number of at least 1, got"
SEED = "argument --seed: expected a whole number of 0 to 2^32 - 1, got"
NUMBERS = "expected numbers and ranges start:stop, such as 0:10 or 3,7,20:30, got"
NO_V = "--{} {}: expected populations of conv1, conv2, dense, classes"
NO_POPULATION = "--record {}: expected populations of conv1, conv2, dense"
MANY = "1" + "0" * 30
OPTIONS = [
    ("--limit 0", f"argument -n/--limit: {WHOLE} '0'"),
    ("--timesteps x", f"argument --timesteps: {WHOLE} 'x'"),
    (f"--timesteps {MANY}", f"argument --timesteps: {WHOLE} '{MANY}'"),
    ("--timesteps 999999999", "--timesteps 999999999: expected at most 100000"),
    ("--batch-size -3", f"argument --batch-size: {WHOLE} '-3'"),
    ("--seed 1.5", f"{SEED} '1.5'"),
    ("--seed -1", f"{SEED} '-1'"),
    (f"--seed {MANY}", f"{SEED} '{MANY}'"),
    ("--frames 3", "unrecognized arguments: --frames 3"),
    ("--record conv9,conv1,Dense --plot r.png", NO_POPULATION.format("conv9, Dense")),
    ("--record classes --plot r.png", NO_POPULATION.format("classes")),
    (
        "--record conv1",
        "--record: add --plot FILE.png or --save-outputs OUT.npz, which write what is recorded",
    ),
    ("--record-v image --plot r.png", NO_V.format("record-v", "image")),
    ("--record-i conv1,conv9 --plot r.png", NO_V.format("record-i", "conv9")),
    (
        "--record-i conv1",
        "--record-i: add --plot FILE.png or --save-outputs OUT.npz, which write what is recorded",
    ),
    (
        "--record conv1 --plot r.png --neurons 3",
        "--neurons: add --record-v POP or --record-i POP, whose neurons these are",
    ),
    (
        "--record-v conv1 --plot r.png --neurons 3:2",
        f"argument --neurons: 3:2: no number is in it, {NUMBERS} '3:2'",
    ),
    ("--record-v conv1 --plot r.png --neurons 1,-2", f"argument --neurons: {NUMBERS} '1,-2'"),
    ("--record-v conv1 --plot r.png --neurons :3", f"argument --neurons: {NUMBERS} ':3'"),
    (
        "--record-v conv1 --plot r.png --neurons 0:3,2",
        "argument --neurons: expected each neuron once, got 2 twice",
    ),
    (
        "--record-v conv1,dense --plot r.png --neurons 4:7 --example 5",
        "--neurons 6: dense has 6 neurons, expected numbers from 0 to 5",
    ),
    ("--record-v conv1 --plot r.png --example 6", "--example 6: there are 6 examples, expected 0 to 5"),
    ("--plot raster.jpg", "--plot raster.jpg: expected a name that ends in .png, .svg or .pdf"),
    ("--plot raster", "--plot raster: expected a name that ends in .png, .svg or .pdf"),
    ("--plot r.png --example 6", "--example 6: there are 6 examples, expected 0 to 5"),
    ("--plot r.png --limit 2 --example 2", "--example 2: there are 2 examples, expected 0 to 1"),
    ("--plot r.png --example -1", "argument --example: expected a whole number of at least 0, got '-1'"),
    ("--example 1", "--example: add --plot FILE.png or --record POP, which show that example"),
    ("--json no/result.json", "--json no/result.json: there is no folder no"),
]


@pytest.mark.parametrize("script", ["reference.py", pytest.param("simulate.py", marks=pytest.mark.genn)])
@pytest.mark.parametrize(("options", "expected"), OPTIONS)
def test_an_option_that_cannot_be_used_is_refused(folder, script, options, expected):
    """simulate.py refuses it before GeNN builds anything."""
    assert refused(folder, *options.split(), script=script) == expected


@pytest.mark.parametrize("option", ["--json", "--save-outputs"])
def test_an_output_that_is_a_folder_is_refused_before_the_simulation(folder, tmp_path, option):
    """And in words, without the names of files that the user did not give."""
    assert refused(folder, option, tmp_path) == f"{option} {tmp_path}: is a folder"


def test_two_outputs_to_one_file_are_refused(folder, tmp_path):
    """The second would replace the first."""
    said = refused(folder, "--save-outputs", tmp_path / "out", "--json", tmp_path / "out")
    assert str(tmp_path / "out") in said and "--json" in said and "--save-outputs" in said


def test_outputs_do_not_replace_the_data(copy):
    data = copy / "good.npz"
    before = data.read_bytes()
    assert (
        refused(copy, "--save-outputs", data)
        == f"--save-outputs {data}: is the data file, which would be overwritten"
    )
    assert data.read_bytes() == before


def test_a_result_that_cannot_be_printed_gives_one_line(folder, tmp_path):
    """A full disk, or here a limit on what a process may write."""

    def no_more_bytes():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with (tmp_path / "stdout").open("w") as output:
        done = run_script(
            folder / "reference.py", "--data", folder / "good.npz", stdout=output, preexec_fn=no_more_bytes
        )
    assert done.stderr == "reference.py: error: standard output cannot be written: File too large\n"
    assert done.returncode == 2


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


LOCK = "run tgenn lock {0}, or (cd {0} && sha256sum weights/*.npy > weights/SHA256SUMS)"
FOREIGN = f"its hash is not the one in weights/SHA256SUMS: if you changed it, {LOCK}"


@pytest.mark.parametrize("script", ["reference.py", pytest.param("simulate.py", marks=pytest.mark.genn)])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file or directory"),
        (replaced_by_a_folder, "cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"hello"), FOREIGN),
        (lambda path: np.save(path, 2 * np.load(path)), FOREIGN),
        (lambda path: np.save(path, np.load(path).T), FOREIGN),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(copy, script, change, expected):
    change(copy / "weights/dense.kernel.npy")
    assert refused(copy, script=script) == f"weights/dense.kernel.npy: {expected.format(copy)}"


def test_the_command_that_a_script_names_writes_the_hashes_from_any_folder(copy, tmp_path, monkeypatch):
    """In a shell, whatever the folder's name is; without a line for a file, too."""
    monkeypatch.chdir(tmp_path)
    folder = copy.rename(copy.with_name("it's mine"))
    kernel = folder / "weights/dense.kernel.npy"
    np.save(kernel, 2 * np.load(kernel))
    for message in ("its hash is not the one in", "has no hash in"):
        said = refused(folder)
        assert said.startswith(f"weights/dense.kernel.npy: {message} weights/SHA256SUMS")
        subprocess.run(["bash", "-c", said.split(", or ")[1]], check=True)
        assert run_here(folder / "reference.py", "--data", folder / "good.npz").returncode == 0
        sums = folder / "weights/SHA256SUMS"
        sums.write_text("".join(line for line in sums.open() if "dense.kernel" not in line))


def test_a_folder_without_weights_is_refused(copy):
    shutil.rmtree(copy / "weights")
    assert refused(copy) == "weights/conv1.kernel.npy: cannot be read: No such file or directory"


def test_without_matplotlib_a_plot_is_refused_before_the_simulation(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = refused(folder, "--plot", tmp_path / "p.png", status=3)
    assert said == "--plot needs matplotlib: pip install matplotlib"
    assert not (tmp_path / "p.png").exists()


# simulate.py where PyGeNN is missing or cannot be imported.

NO_PYGENN = (
    "PyGeNN cannot be imported ({}): "
    "install it as https://genn-team.github.io/genn/documentation/5/installation.html describes, "
    "or use reference.py, which gives the same results without it."
)


@pytest.fixture
def no_pygenn(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygenn", None)
    return "import of pygenn halted; None in sys.modules"


@pytest.fixture
def broken_pygenn(monkeypatch, tmp_path):
    """It may well be installed, and its reason is what the user has to look for."""
    reason = "libcuda.so.1: cannot open shared object file"
    (tmp_path / "pygenn.py").write_text(f"raise ImportError({reason!r})\n")
    for name in [name for name in sys.modules if name.split(".")[0] == "pygenn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    return reason


@pytest.mark.parametrize("data", ["good.npz", "no.npz"])
@pytest.mark.parametrize("pygenn", ["no_pygenn", "broken_pygenn"])
def test_without_pygenn_one_line_says_why_how_to_get_it_and_what_runs_without(folder, request, pygenn, data):
    reason = request.getfixturevalue(pygenn)
    said = refused(folder, script="simulate.py", data=folder / data, status=3)
    assert said == NO_PYGENN.format(reason)


# simulate.py where PyGeNN is installed.


@pytest.mark.genn
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--backend abacus", "--backend abacus: expected one that PyGeNN has: "),
        (
            "--backend single_threaded_cpu --batch-size 2",
            "--batch-size 2: expected 1, because backend single_threaded_cpu simulates one example at a time",
        ),
    ],
)
def test_a_backend_that_cannot_be_used_is_refused(folder, options, expected):
    assert refused(folder, *options.split(), script="simulate.py").startswith(expected)


@pytest.mark.genn
@pytest.mark.parametrize("case", ["another shape", "NaN", "labels too large"])
def test_data_that_simulate_py_cannot_use_is_refused(folder, tmp_path, case):
    write, expected = DATA[case]
    path = tmp_path / "data.npz"
    write(path)
    assert refused(folder, script="simulate.py", data=path) == expected.replace("DATA", str(path))


@pytest.mark.genn
def test_a_model_that_genn_cannot_build_gives_the_reason_and_no_traceback(copy, tmp_path):
    """No compiler, for instance."""
    environment = {**os.environ, "PATH": str(tmp_path), "CXX": "no-such-compiler"}
    done = run_script(copy / "simulate.py", "--data", copy / "good.npz", env=environment)
    assert done.returncode == 3
    assert "simulate.py: error: GeNN cannot build the model with backend single_threaded_cpu: " in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
