"""More unusable input of generated scripts: what test_invalid_script_input.py does not have."""

from __future__ import annotations

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

X = dyadic_examples((7, 10, 2), 6)
Y = np.arange(6) % 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts") / "small_cnn"
    shutil.copytree(GENERATED / "small_cnn", folder)
    np.savez(folder / "good.npz", x=X, y=Y)
    return folder


def run(script, *arguments, **options) -> subprocess.CompletedProcess[str]:
    """The script's end; it may not wait for anything."""
    command = [sys.executable, str(script), *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command, text=True, check=False, timeout=10, **options)


def refused(folder, tmp_path, *arguments, script="reference.py", data=None, status=2) -> str:
    """What the script says, in one line, when it refuses; it writes nothing, beside itself and elsewhere."""

    def there():
        return {p for f in (folder, tmp_path) for p in f.rglob("*") if "__pycache__" not in p.parts}

    before = there()
    done = run(folder / script, "--data", data or folder / "good.npz", *arguments)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert there() == before
    start, said = done.stderr.split("error: ", 1)
    assert start.endswith(f"{script}: ") and said.count("\n") == 1
    return said.removesuffix("\n")


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


DATA = {
    "a pipe": (os.mkfifo, "DATA: is not a regular file"),
    # It is no pickle, and allow_pickle is nothing that a user of the script could give.
    "text": (
        lambda path: path.write_text("hello\n"),
        "DATA: cannot be read as .npz: it is not one, or damaged",
    ),
    "an archive of nothing": (
        lambda path: np.savez(path),
        "DATA: no array x, x_test, image or image_test in it; it has none",
    ),
    "x_train alone": (
        npz(x_train=X, y_train=Y),
        "DATA: no array x, x_test, image or image_test in it; it has x_train, y_train",
    ),
    "complex numbers": (npz(x=X.astype(complex), y=Y), "DATA: examples are complex128, expected numbers"),
    "no axis for the examples": (
        npz(x=X[0], y=Y),
        "DATA: an example has shape (10, 2), the network takes (7, 10, 2)",
    ),
    "labels that are not whole": (
        npz(x=X, y=Y.astype(float)),
        "DATA: y is float64 (6,), expected class numbers, integers (6,), or values (6, 5)",
    ),
    "labels that are true or false": (
        npz(x=X, y=Y > 2),
        "DATA: y is bool (6,), expected class numbers, integers (6,), or values (6, 5)",
    ),
    "labels that are text": (
        npz(x=X, y=np.full(6, "a")),
        "DATA: y is <U1 (6,), expected class numbers, integers (6,), or values (6, 5)",
    ),
    "labels beyond int64": (
        npz(x=X, y=np.full(6, 2**64 - 1, np.uint64)),
        "DATA: y has classes 18446744073709551615 to 18446744073709551615, the network has 0 to 4",
    ),
    "pickled labels": (
        npz(x=X, y=np.array([{}] * 6)),
        "DATA: cannot be read as .npz: Object arrays cannot be loaded when allow_pickle=False",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_used_is_refused(folder, tmp_path, case):
    write, expected = DATA[case]
    path = tmp_path / "data.npz"
    write(path)
    options = ("--json", tmp_path / "result.json", "--save-outputs", tmp_path / "out.npz")
    assert refused(folder, tmp_path, *options, data=path) == expected.replace("DATA", str(path))


@pytest.mark.parametrize("count", [4, 9])
def test_labels_of_another_length_are_refused_whatever_the_limit(folder, tmp_path, count):
    """Six examples and four labels do not belong together, not even the first three of them."""
    np.savez(tmp_path / "data.npz", x=X, y=np.arange(count) % 5)
    assert refused(folder, tmp_path, "--limit", 3, data=tmp_path / "data.npz") == (
        f"{tmp_path / 'data.npz'}: y is int64 ({count},), "
        "expected class numbers, integers (6,), or values (6, 5)"
    )


def test_more_steps_than_any_computer_can_take_are_refused(folder, tmp_path):
    """A document has at most 100000."""
    value = "1" + "0" * 30
    said = refused(folder, tmp_path, "--timesteps", value)
    assert said.startswith("argument --timesteps: ") and said.endswith(f", got '{value}'")


def test_an_unknown_option_is_refused(folder, tmp_path):
    assert refused(folder, tmp_path, "--frames", "3") == "unrecognized arguments: --frames 3"


def test_all_unknown_populations_are_said(folder, tmp_path):
    assert refused(folder, tmp_path, "--record", "conv9,conv1,Dense") == (
        "--record: no spiking population conv9, Dense; there are conv1, conv2, dense"
    )


@pytest.mark.parametrize("option", ["--json", "--save-outputs"])
def test_an_output_that_is_a_folder_is_refused_before_the_simulation(folder, tmp_path, option):
    """And is said in words, without the names of files that the user did not give."""
    assert refused(folder, tmp_path, option, tmp_path) == f"{option} {tmp_path}: is a folder"


def test_two_outputs_to_one_file_are_refused(folder, tmp_path):
    """The second would replace the first."""
    said = refused(folder, tmp_path, "--save-outputs", tmp_path / "out", "--json", tmp_path / "out")
    assert str(tmp_path / "out") in said and "--json" in said and "--save-outputs" in said


def test_an_output_that_is_no_regular_file_is_not_replaced(folder, tmp_path):
    """A pipe here; --json /dev/null, run by root, would make a plain file of the device."""
    os.mkfifo(tmp_path / "result.json")
    done = run(folder / "reference.py", "--data", folder / "good.npz", "--json", tmp_path / "result.json")
    assert stat.S_ISFIFO((tmp_path / "result.json").stat().st_mode)
    assert done.stderr == f"reference.py: error: --json {tmp_path / 'result.json'}: is not a regular file\n"
    assert (done.returncode, done.stdout) == (2, "")


def test_a_result_that_cannot_be_printed_gives_one_line(folder, tmp_path):
    """A full disk, or here a limit on what a process may write."""

    def no_more_bytes():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with (tmp_path / "stdout").open("w") as output:
        done = run(
            folder / "reference.py", "--data", folder / "good.npz", stdout=output, preexec_fn=no_more_bytes
        )
    assert done.stderr == "reference.py: error: standard output cannot be written: File too large\n"
    assert done.returncode == 2


def test_weights_that_are_a_folder_are_refused(folder, tmp_path):
    copy = tmp_path / "n"
    shutil.copytree(folder, copy)
    (copy / "weights/dense.kernel.npy").unlink()
    (copy / "weights/dense.kernel.npy").mkdir()
    assert refused(copy, tmp_path) == "weights/dense.kernel.npy: cannot be read: Is a directory"


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    copy = tmp_path / "n"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "weights")
    assert refused(copy, tmp_path) == "weights/classes.kernel.npy: cannot be read: No such file or directory"


# simulate.py, where PyGeNN is not there or cannot be imported.


@pytest.mark.parametrize("data", ["good.npz", "no.npz"])
def test_a_pygenn_that_cannot_be_imported_is_said_in_one_line_with_the_reason(folder, tmp_path, data):
    """It may well be installed, and its reason is what the user has to look for."""
    (tmp_path / "pygenn.py").write_text("raise ImportError('libcuda.so.1: cannot open shared object file')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = run(folder / "simulate.py", "--data", folder / data, env=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert done.stderr.startswith("simulate.py: error: PyGeNN ")
    assert "libcuda.so.1: cannot open shared object file" in done.stderr
    assert "https://genn-team.github.io/genn/documentation/5/installation.html" in done.stderr
    assert done.stderr.endswith("reference.py gives the same results without it.\n")


def test_without_pygenn_usage_comes_first(folder, tmp_path):
    """What is wrong with the command line is said whether or not PyGeNN is there."""
    (tmp_path / "pygenn.py").write_text("raise ImportError\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = run(folder / "simulate.py", "--data", "x.npz", "--limit", "0", env=environment)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "simulate.py: error: argument --limit: expected a whole number of at least 1, got '0'"
    )


# simulate.py, where PyGeNN is there. It shares the code above, so one case of each kind is enough.


@pytest.fixture
def genn_folder(folder, tmp_path):
    pytest.importorskip("pygenn", reason="PyGeNN is not installed")
    copy = tmp_path / "genn"
    shutil.copytree(folder, copy)
    return copy


@pytest.mark.genn
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--backend", "abacus"], "--backend abacus: PyGeNN here has "),
        (["--record", "conv9"], "--record: no spiking population conv9; there are conv1, conv2, dense"),
        (["--limit", "0"], "argument --limit: expected a whole number of at least 1, got '0'"),
        (["--timesteps", "1" + "0" * 30], "argument --timesteps: "),
        (["--seed", "-1"], "argument --seed: "),
        (["--seed", "9" * 30], "argument --seed: "),
        (
            ["--backend", "single_threaded_cpu", "--batch-size", "2"],
            "--batch-size: backend single_threaded_cpu simulates one example at a time",
        ),
    ],
)
def test_an_option_that_simulate_py_cannot_use_is_refused(genn_folder, tmp_path, arguments, expected):
    """Before GeNN builds anything."""
    assert refused(genn_folder, tmp_path, *arguments, script="simulate.py").startswith(expected)


@pytest.mark.genn
def test_data_that_simulate_py_cannot_use_is_refused(genn_folder, tmp_path):
    path = tmp_path / "data.npz"
    options = ("--json", tmp_path / "result.json", "--save-outputs", tmp_path / "out.npz")
    for arrays, expected in (
        ({"x": X[:, :5], "y": Y}, "an example has shape (5, 10, 2), the network takes (7, 10, 2)"),
        ({"x": X * np.nan, "y": Y}, "example 0 holds NaN or infinity, or a number too large for float32"),
        ({"x": X, "y": Y + 1}, "y has classes 1 to 5, the network has 0 to 4"),
    ):
        np.savez(path, **arrays)
        assert (
            refused(genn_folder, tmp_path, *options, script="simulate.py", data=path) == f"{path}: {expected}"
        )


@pytest.mark.genn
def test_weights_that_simulate_py_was_not_generated_for_are_refused(genn_folder, tmp_path):
    kernel = genn_folder / "weights/dense.kernel.npy"
    np.save(kernel, np.zeros((6, 24), np.float32))
    assert refused(genn_folder, tmp_path, script="simulate.py") == (
        "weights/dense.kernel.npy: is not the file that this script was generated for: run tgenn generate"
    )
    kernel.unlink()
    assert refused(genn_folder, tmp_path, script="simulate.py") == (
        "weights/dense.kernel.npy: cannot be read: No such file or directory"
    )
