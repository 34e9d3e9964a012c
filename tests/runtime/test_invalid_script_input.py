"""Generated scripts on input that cannot be used: one line on stderr, the exit status, nothing written."""

# ruff: noqa: E501  (what is said stands in one piece)
from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from golden import GENERATED
from sample_networks import dyadic_examples
from scripts import run_script

X = dyadic_examples((7, 10, 2), 6)
Y = np.arange(6) % 5
WITH_NAN = X.copy()
WITH_NAN[4, 0, 0, 0] = np.nan


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts") / "small_cnn"
    shutil.copytree(GENERATED / "small_cnn", folder)
    np.savez(folder / "good.npz", x=X, y=Y)
    return folder


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


DATA = {
    "missing": (
        lambda path: None,
        "DATA: cannot be read as .npz: [Errno 2] No such file or directory: 'DATA'",
    ),
    "an .npy": (
        lambda path: np.save(path.open("wb"), X),
        "DATA: expected an .npz with arrays x and y, got a single array",
    ),
    "no x": (npz(images=X, y=Y), "DATA: no array x, x_test, image or image_test in it; it has images, y"),
    "another shape": (
        npz(x=X[:, :5], y=Y),
        "DATA: an example has shape (5, 10, 2), the network takes (7, 10, 2)",
    ),
    "flat": (npz(x=X.reshape(6, -1), y=Y), "DATA: an example has shape (140,), the network takes (7, 10, 2)"),
    "text": (npz(x=np.full((6, 7, 10, 2), "a"), y=Y), "DATA: examples are <U1, expected numbers"),
    "no examples": (npz(x=X[:0], y=Y[:0]), "DATA: holds no examples"),
    "NaN": (npz(x=WITH_NAN, y=Y), "DATA: example 4 holds NaN or infinity, or a number too large for float32"),
    "numbers too large": (
        npz(x=X.astype(float) * 1e300 + 1e300, y=Y),
        "DATA: example 0 holds NaN or infinity, or a number too large for float32",
    ),
    "a single number": (npz(x=np.array(3.0), y=Y), "DATA: the examples are not an array"),
    "a single label": (
        npz(x=X, y=np.array(3)),
        "DATA: y is int64 (), expected class numbers, integers (6,), or values (6, 5)",
    ),
    "labels of another length": (
        npz(x=X, y=Y[:4]),
        "DATA: y is int64 (4,), expected class numbers, integers (6,), or values (6, 5)",
    ),
    "labels that are one-hot": (
        npz(x=X, y=np.eye(5)[Y]),
        "DATA: y is one-hot, expected class numbers: save y.argmax(axis=1)",
    ),
    "labels too large": (npz(x=X, y=Y + 1), "DATA: y has classes 1 to 5, the network has 0 to 4"),
    "labels below zero": (npz(x=X, y=Y - 1), "DATA: y has classes -1 to 3, the network has 0 to 4"),
}


def outputs(folder):
    return "--json", folder / "result.json", "--save-outputs", folder / "out.npz"


@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_used_is_refused(folder, tmp_path, case):
    make, expected = DATA[case]
    path = tmp_path / "data.npz"
    make(path)
    done = run_script(folder / "reference.py", "--data", path, *outputs(tmp_path))
    assert done.stderr == f"reference.py: error: {expected}\n".replace("DATA", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert [p.name for p in tmp_path.iterdir() if p != path] == []


@pytest.mark.parametrize("content", [b"hello", b"", b"PK\x03\x04 not whole"])
def test_a_file_that_is_no_archive_is_refused(folder, tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    done = run_script(folder / "reference.py", "--data", tmp_path / "data.npz")
    assert done.stderr.startswith(f"reference.py: error: {tmp_path / 'data.npz'}: cannot be read as .npz: ")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_an_archive_that_is_damaged_inside_is_refused(folder, tmp_path):
    np.savez_compressed(tmp_path / "data.npz", x=np.random.default_rng(0).random(X.shape), y=Y)
    raw = bytearray((tmp_path / "data.npz").read_bytes())
    raw[len(raw) // 3] ^= 0xFF
    (tmp_path / "data.npz").write_bytes(bytes(raw))
    done = run_script(folder / "reference.py", "--data", tmp_path / "data.npz")
    assert done.stderr.startswith(f"reference.py: error: {tmp_path / 'data.npz'}: cannot be read as .npz: ")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_pickled_data_is_refused_and_not_loaded(folder, tmp_path):
    class Trace:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    np.savez(tmp_path / "data.npz", x=np.array([Trace()] * 6, object), y=Y)
    done = run_script(folder / "reference.py", "--data", tmp_path / "data.npz")
    assert done.returncode == 2 and "cannot be read as .npz: Object arrays cannot be loaded" in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--limit", "0"], "argument --limit: expected a whole number of at least 1, got '0'"),
        (["--timesteps", "x"], "argument --timesteps: expected a whole number of at least 1, got 'x'"),
        (["--batch-size", "-3"], "argument --batch-size: expected a whole number of at least 1, got '-3'"),
        (["--seed", "1.5"], "argument --seed: expected a whole number of 0 to 2^32 - 1, got '1.5'"),
        (
            ["--record", "conv1,conv9", "--plot", "r.png"],
            "--record: no spiking population conv9; there are conv1, conv2, dense",
        ),
        (
            ["--record", "conv1"],
            "--record: add --plot FILE.png or --save-outputs OUT.npz, which show what is recorded",
        ),
        (
            ["--record", "classes", "--plot", "r.png"],
            "--record: no spiking population classes; there are conv1, conv2, dense",
        ),
        (["--plot", "raster.pdf"], "--plot raster.pdf: a PNG file is written, give a name that ends in .png"),
        (
            ["--timesteps", "999999999"],
            "--timesteps 999999999: the network takes at most 100000",
        ),
        (["--json", "no/result.json"], "--json no/result.json: there is no folder no"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(folder, arguments, expected):
    done = run_script(folder / "reference.py", "--data", folder / "good.npz", *arguments)
    assert done.stderr.splitlines()[-1] == f"reference.py: error: {expected}"
    assert done.returncode == 2
    assert done.stdout == ""


def test_outputs_do_not_replace_the_data(folder, tmp_path):
    data = tmp_path / "good.npz"
    shutil.copy(folder / "good.npz", data)
    done = run_script(folder / "reference.py", "--data", data, "--save-outputs", data)
    assert done.stderr == f"reference.py: error: --save-outputs {data}: is the data itself\n"
    assert data.read_bytes() == (folder / "good.npz").read_bytes()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file or directory"),
        (
            lambda path: path.write_bytes(b"hello"),
            "is not the file that this script was generated for: run tgenn generate",
        ),
        (
            lambda path: np.save(path, 2 * np.load(path)),
            "is not the file that this script was generated for: run tgenn generate",
        ),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(folder, tmp_path, change, expected):
    copy = tmp_path / "n"
    shutil.copytree(folder, copy)
    change(copy / "weights/dense.kernel.npy")
    done = run_script(copy / "reference.py", "--data", folder / "good.npz")
    assert done.stderr == f"reference.py: error: weights/dense.kernel.npy: {expected}\n"
    assert (done.returncode, done.stdout) == (2, "")


def test_without_pygenn_one_line_says_how_to_get_it_and_what_runs_without(folder):
    code = (
        "import runpy, sys; sys.modules['pygenn'] = None\n"
        f"sys.argv = ['simulate.py', '--data', {str(folder / 'good.npz')!r}]\n"
        f"runpy.run_path({str(folder / 'simulate.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == (
        "simulate.py: error: PyGeNN cannot be imported (import of pygenn halted; None in sys.modules): "
        "https://genn-team.github.io/genn/documentation/5/installation.html says how it is installed. "
        "reference.py gives the same results without it.\n"
    )
    assert (done.returncode, done.stdout) == (3, "")


def test_without_matplotlib_a_plot_is_refused_before_the_simulation(folder, tmp_path):
    code = (
        "import runpy, sys; sys.modules['matplotlib'] = None\n"
        f"sys.argv = ['reference.py', '--data', {str(folder / 'good.npz')!r}, '--plot', {str(tmp_path / 'p.png')!r}]\n"
        f"runpy.run_path({str(folder / 'reference.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "reference.py: error: --plot needs matplotlib: pip install matplotlib\n"
    assert (done.returncode, done.stdout) == (3, "")
    assert not (tmp_path / "p.png").exists()


@pytest.mark.genn
def test_a_model_that_genn_cannot_build_gives_the_reason_and_no_traceback(folder, tmp_path):
    """No compiler, for instance."""
    shutil.copytree(folder, tmp_path / "n")
    environment = {**os.environ, "PATH": str(tmp_path), "CXX": "no-such-compiler"}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "n/simulate.py"), "--data", str(folder / "good.npz")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 3
    assert "simulate.py: error: GeNN cannot build the model with backend single_threaded_cpu: " in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
