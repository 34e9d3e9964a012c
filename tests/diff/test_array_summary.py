"""tgenn show FILE.npy: text that git compares line by line, of any array and the same everywhere."""

from __future__ import annotations

import hashlib
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tgenn_gen.cli.main import main
from tgenn_gen.diff.array_summary import BLOCK, array_data, blocks, total


@pytest.fixture
def shown(tmp_path, capsys):
    """What is said about an array: exit status, stdout and stderr, without the path."""

    def show(array: np.ndarray | bytes, *options: str) -> tuple[int, str, str]:
        path = tmp_path / "x.npy"
        if isinstance(array, bytes):
            path.write_bytes(array)
        else:
            np.save(path, array)
        status = main(["show", str(path), *options])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.replace(str(path), "x.npy")

    return show


def test_the_text_is_stable(shown):
    status, out, err = shown(np.float32([[0.1, -2.5, 0], [1e-30, 3e30, -0.0]]))
    assert (status, err) == (0, "")
    assert out == (
        "shape       [2, 3]\n"
        "dtype       float32\n"
        "sha256      a2ce89aed74c1584aa3e8b0cd127cd94b1654eb03043059e011cd52bdbc060a2\n"
        "elements    6\n"
        "zeros       2\n"
        "norm        3e+30\n"
        "mean        5e+29\n"
        "std         1.11803e+30\n"
        "min         -2.5\n"
        "1 %         -2.5\n"
        "5 %         -2.5\n"
        "25 %        0\n"
        "median      0\n"
        "75 %        0.1\n"
        "95 %        3e+30\n"
        "99 %        3e+30\n"
        "max         3e+30\n"
        "[0, 0]      0.1\n"
        "[0, 1]      -2.5\n"
        "[0, 2]      0.0\n"
        "[1, 0]      1e-30\n"
        "[1, 1]      3e+30\n"
        "[1, 2]      -0.0\n"
    )


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8", "<i8", "u1", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_are_those_of_numpy_whatever_the_dtype_and_order(tmp_path, dtype, order):
    rng = np.random.default_rng(3)
    array = (8 * rng.normal(size=(23, 31)) * (rng.random((23, 31)) < 0.9)).astype(dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    data, exact = array_data(tmp_path / "x.npy"), array.astype(np.float64)
    assert data["shape"] == [23, 31] and data["dtype"] == str(array.dtype) and data["elements"] == 23 * 31
    assert data["sha256"] == hashlib.sha256((tmp_path / "x.npy").read_bytes()).hexdigest()
    assert data["zeros"] == np.sum(exact == 0) > 0
    statistics = {"norm": np.linalg.norm(exact), "mean": exact.mean(), "std": exact.std()}
    for name, value in statistics.items():
        assert data[name] == pytest.approx(value, rel=1e-5), name
    for name, percent in {"min": 0, "1 %": 1, "25 %": 25, "median": 50, "99 %": 99, "max": 100}.items():
        expected = np.percentile(exact, percent, method="inverted_cdf")
        assert np.dtype(dtype).type(data[name]) == expected.astype(dtype), name
    assert "values" not in data


def test_a_changed_element_changes_its_line_and_few_others(shown):
    array = np.linspace(-1, 1, 64, dtype=np.float32).reshape(4, 16)
    before = shown(array)[1].splitlines()
    array[2, 5] += 0.001
    after = shown(array)[1].splitlines()
    different = {a.split("  ")[0] for a, b in zip(before, after, strict=True) if a != b}
    assert {"sha256", "[2, 5]"} < different <= {"sha256", "[2, 5]", "mean", "std", "norm"}


def test_what_is_not_finite_is_counted_and_left_out_of_the_numbers(shown):
    status, out, _ = shown(np.array([1.0, np.nan, 3.0, -np.inf]), "--json")
    data = json.loads(out, parse_constant=pytest.fail)
    assert status == 0 and data["not finite"] == 2 and data["elements"] == 4
    assert (data["min"], data["max"], data["mean"], data["std"]) == (1.0, 3.0, 2.0, 1.0)
    assert data["values"] == {"[0]": 1.0, "[1]": "nan", "[2]": 3.0, "[3]": "-inf"}
    assert json.loads(shown(np.full(3, 1e300), "--json")[1], parse_constant=pytest.fail)["norm"] == "inf"


def test_arrays_without_axes_or_elements_are_shown(shown):
    assert "\n[]          7\n" in shown(np.array(7))[1]
    assert shown(np.zeros((2, 0)))[1].splitlines()[-1] == "elements    0"
    assert shown(np.full(3, np.nan))[1].splitlines()[4:] == [
        "not finite  3",
        "[0]         nan",
        "[1]         nan",
        "[2]         nan",
    ]


@given(arrays.arrays(np.float64, st.integers(0, 300), elements=st.floats(-1e6, 1e6)))
def test_totals_are_sums(values):
    assert total(values) == pytest.approx(float(np.sum(values)), rel=1e-12, abs=1e-6)


def test_blocks_cover_arrays_in_order():
    array = np.arange(2 * (BLOCK // 2 + 3), dtype=np.float32).reshape(2, -1)
    parts = [part for (part,) in blocks(array)]
    assert [len(part) for part in parts] == [BLOCK, 6]
    np.testing.assert_array_equal(np.concatenate(parts), array.reshape(-1))


class Evil:
    def __reduce__(self):
        return pytest.fail, ("pickles must not be loaded",)


def header(shape: str, data: bytes = b"") -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + data


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (b"version https://git-lfs", "error[T303]: is not a .npy file of format 1.0"),
        (b"", "error[T303]: is not a .npy file of format 1.0"),
        (header("(2" * 200), "error[T303]: is not a .npy file of format 1.0"),
        (header("(2,)", bytes(12)), "error[T306]: holds 12 bytes of data, its shape needs 8"),
        (header("(2**62,)"), "error[T303]: is not a .npy file of format 1.0"),
        (header(f"({2**40}, {2**40})"), f"error[T306]: holds 0 bytes of data, its shape needs {2**82}"),
        (np.array([1j]), "error[T304]: holds complex128, expected numbers of at most 64 bits"),
        (
            np.array([Evil()], dtype=object),
            "error[T304]: contains pickled Python objects, which tgenn never loads",
        ),
        (pickle.dumps([1]), "error[T303]: is not a .npy file of format 1.0"),
    ],
)
def test_files_that_are_no_arrays_of_numbers_are_refused(shown, array, said):
    assert shown(array) == (2, "", f"x.npy: {said}\n")


def test_files_that_cannot_be_read_are_refused(tmp_path, capsys):
    assert main(["show", str(tmp_path / "x.npy")]) == 2
    assert "x.npy: error[T302]: cannot be read: No such file" in capsys.readouterr().err
