"""Links, folders and text of other systems in place of documents and weights; numbers that float32 has not."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from broken import VALID, edit
from hypothesis import given
from hypothesis import strategies as st
from limits import memory
from profiles import tries
from sample_networks import small_cnn

from tgenn_gen import Network, TgennError, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.codegen.network_table import network_table
from tgenn_gen.document.canonical_text import DOCUMENT, document_data
from tgenn_gen.document.weight_hashes import SUMS
from tgenn_gen.network.checks import meaning_problems
from tgenn_gen.network.encodings.constant_current import ConstantCurrentInput
from tgenn_gen.network.model import Connection, Input, Output, Population
from tgenn_gen.network.neurons.integrate import IntegrateNeuron
from tgenn_gen.network.neurons.integrate_and_fire import IntegrateAndFireNeuron
from tgenn_gen.network.neurons.maximum import MaximumNeuron
from tgenn_gen.network.ops.avg_pool2d import AvgPool2D
from tgenn_gen.network.ops.up_sampling import UpSampling
from tgenn_gen.network.ops.windows import Windows

KERNEL = "weights/dense.kernel.npy"
RESTORE = "\n  hint: restore the file, or export the network again"


@pytest.fixture
def folder(tmp_path):
    save(small_cnn(), tmp_path / "n")
    return tmp_path / "n"


@pytest.fixture
def said(folder, capsys):
    """What `tgenn check` says about the folder, without its path; it refuses it."""

    def check() -> str:
        assert main(["check", str(folder)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err.replace(f"{folder}/", "")

    return check


@pytest.mark.parametrize(
    ("old", "key", "value", "place"),
    [
        ("threshold: 1.0", "threshold", "1e+50", "16:18"),
        ("v_init: 0.5", "v_init", "1e+300", "18:15"),
        ("v_init: 0.5", "v_init", "-1e+300", "18:15"),
        ("scale: 2.0", "scale", "1e+300", "19:12"),
        ("scale: 2.0", "scale", "1e-60", "19:12"),
        ("uint8_divisor: 255.0", "uint8_divisor", "1e-320", "10:20"),
        ("uint8_divisor: 255.0", "uint8_divisor", "1e+300", "10:20"),
    ],
)
def test_a_number_that_is_0_or_infinite_in_float32_is_out_of_range(folder, said, old, key, value, place):
    """The engines compute in float32. Where the range ends is open, so that the rest of the line is too."""
    edit(folder, (old, f"{key}: {value}"))
    lines = said().splitlines()
    shown = repr(float(value))
    assert [line.split(", expected ")[0] for line in lines] == [
        f"{DOCUMENT}:{place}: error[T114]: {key} is {shown}"
    ]


def test_names_that_differ_in_case_alone_are_said_to(folder, said):
    """They would be one file on some systems, but it is not true that one name stands there twice."""
    edit(folder, ("name: conv1", "name: Image"), ("from: conv1", "from: Image"))
    assert said() == (
        f"{DOCUMENT}:12:11: error[T201]: the name 'Image' differs from 'image' only in upper and lower case\n"
        "  hint: choose another name: names must be unique, and case does not count\n"
    )


def test_a_chain_of_too_many_maps_is_refused(folder, said):
    flatten = "          - {op: flatten, shape: [2, 3, 4]}\n"
    edit(folder, (flatten, 32 * flatten))
    assert said() == f"{DOCUMENT}:56:11: error[T115]: through has 33 items, expected at most 32\n"


@pytest.mark.parametrize(
    "change", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")]
)
def test_editors_of_other_systems_do_no_harm(folder, change):
    """A byte order mark, line ends of Windows."""
    before = load(folder)
    (folder / DOCUMENT).write_bytes(change((folder / DOCUMENT).read_bytes()))
    assert load(folder) == before


LINES = st.lists(
    st.sampled_from(["0" * 64, "  ", " *", "\0", "\r", "/dev/zero", "../x.npy", KERNEL, "\x85", "\ufeff"]),
    max_size=5,
).map(lambda parts: "".join(parts).encode())
UNFIT = st.binary(max_size=99) | st.lists(LINES, max_size=9).map(b"\n".join)


@given(UNFIT)
@tries(60)
def test_whatever_stands_in_place_of_hashes_is_refused_and_mended_by_lock(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("network") / "n"
    save(small_cnn(), folder)
    (folder / SUMS).write_bytes(content)
    with pytest.raises(TgennError, match=r"T3(07|09|10)\]"):
        load(folder)
    assert main(["lock", str(folder)]) == 0
    assert load(folder) == small_cnn()


@pytest.mark.parametrize("shape", ["(-2, -3)", "(0,)", "()", "(0, 9223372036854775807)", "(1, 1, 1, 1, 6)"])
def test_lock_casts_no_array_of_a_shape_that_no_document_can_have(folder, capsys, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(48)
    (folder / KERNEL).write_bytes(content)
    assert main(["lock", str(folder)]) == 2
    assert f"error[T305]: {KERNEL}: has shape " in capsys.readouterr().err
    assert (folder / KERNEL).read_bytes() == content


def test_hashes_that_are_no_file_or_too_large_are_not_read(folder, said):
    (folder / SUMS).unlink()
    os.mkfifo(folder / SUMS)
    assert f"{SUMS}: error[T309]: cannot be read: not a regular file\n" in said()
    (folder / SUMS).unlink()
    with (folder / SUMS).open("wb") as file:
        file.truncate(2**30)
    tracemalloc.start()
    assert f"{SUMS}: error[T309]: larger than 4 MiB\n" in said()
    assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    tracemalloc.stop()


HINT = "\n  hint: give the path of a network.yaml, or of the folder it is in\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Path.mkdir, "not a regular file"),
        (lambda path: path.symlink_to(DOCUMENT), "Too many levels of symbolic links"),
    ],
)
def test_a_folder_and_a_link_to_itself_are_no_documents(folder, said, change, reason):
    (folder / DOCUMENT).unlink()
    change(folder / DOCUMENT)
    assert said() == f"{DOCUMENT}: error[T101]: cannot be read: {reason}{HINT}"


# Weights.

OUT = (
    "is a link to a file outside of the document's folder\n"
    "  hint: copy the file into the folder; if you trust the document, --allow-outside reads files outside of its folder"
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Path.mkdir, f"T302]: {KERNEL}: cannot be read: not a regular file{RESTORE}"),
        (
            lambda path: path.symlink_to("nowhere.npy"),
            f"T302]: {KERNEL}: cannot be read: No such file or directory{RESTORE}",
        ),
        (
            lambda path: path.symlink_to(path.name),
            f"T302]: {KERNEL}: cannot be read: Too many levels of symbolic links{RESTORE}",
        ),
        (lambda path: path.symlink_to(VALID / KERNEL), f"T301]: {KERNEL}: {OUT}"),
    ],
)
def test_weights_that_are_not_what_the_document_says_are_refused(folder, said, change, expected):
    (folder / KERNEL).unlink()
    change(folder / KERNEL)
    assert said() == f"{DOCUMENT}:58:21: error[{expected}\n"


def test_weights_behind_a_link_out_of_the_folder_are_refused(folder, said):
    (folder / "link").symlink_to(VALID)
    edit(folder, (KERNEL, f"link/{KERNEL}"))
    assert said() == f"{DOCUMENT}:58:21: error[T301]: link/{KERNEL}: {OUT}\n"


def link_out_that_is_too_long_to_follow(inside, name, outside):
    """A link that seems to stay, where its path is taken for what it says from where it gets too long on.

    16 folders of long names in one another, with short links to them; behind them, a link back up.
    """
    os.chdir(inside)
    steps = "abcdefghijklmnop"
    for step in steps:
        Path("d" * 247).mkdir()
        Path(step).symlink_to("d" * 247)
        os.chdir("d" * 247)
    Path("l" * 254).symlink_to("../" * len(steps) + ".")
    os.chdir(inside)
    up = os.path.relpath(outside.parent, inside)
    Path(name).symlink_to(f"{'/'.join(steps)}/{'l' * 254}/{up}/{outside.name}")
    assert Path(name).read_bytes() == outside.read_bytes()  # as the system has it


@pytest.mark.skipif(sys.platform != "linux", reason="the longest path is as on Linux")
def test_a_link_out_of_the_folder_that_is_too_long_to_follow_is_not_read(folder, said, monkeypatch):
    """CVE-2025-4517 was this."""
    monkeypatch.chdir(folder)
    shutil.move(folder / KERNEL, folder.parent / "secret.npy")
    link_out_that_is_too_long_to_follow(folder / "weights", "dense.kernel.npy", folder.parent / "secret.npy")
    assert f"{KERNEL}: cannot be read: File name too long" in said()


def test_names_that_no_file_can_have_are_said_or_ignored(folder, capsys):
    edit(folder, (KERNEL, '"weights/\\ud800.npy"'))
    assert main(["lock", str(folder)]) == 2
    assert "error[T301]: weights/\\ud800.npy: is not a path" in capsys.readouterr().err
    (folder / KERNEL).write_bytes(b"somebody's")
    with pytest.raises(TgennError, match="T603"):  # the kernel, which the document no longer names
        save(small_cnn(), folder, force=True)


def test_weights_that_are_a_link_inside_the_folder_are_read(folder):
    shutil.move(folder / KERNEL, folder / "kernel.npy")
    (folder / KERNEL).symlink_to("../kernel.npy")
    assert load(folder) == small_cnn()


def test_all_weights_that_are_wrong_are_said_at_once_in_the_order_of_the_text(folder, said):
    (folder / "weights/conv1.kernel.npy").unlink()
    (folder / "weights/classes.kernel.npy").write_text("hello")
    edit(folder, (KERNEL, "../dense.kernel.npy"))
    assert said() == (
        f"{DOCUMENT}:27:21: error[T302]: weights/conv1.kernel.npy: cannot be read: No such file or directory{RESTORE}\n"
        f"{DOCUMENT}:58:21: error[T301]: ../dense.kernel.npy: is not a path inside the document's folder\n"
        "  hint: use a path like weights/dense.kernel.npy; if you trust the document, --allow-outside reads files outside of its folder\n"
        f"{DOCUMENT}:68:21: error[T303]: weights/classes.kernel.npy: is not a .npy file of format 1.0{RESTORE}\n"
    )


@pytest.mark.parametrize("count", [100, 101])
@pytest.mark.parametrize("wrong", [{"op": "scale", "factor": 2.0}, {"op": "flatten"}])
def test_of_very_many_mistakes_the_first_are_said_and_that_there_are_more(folder, said, count, wrong):
    """What is behind them is not taken for right."""
    data = document_data(small_cnn())
    bad = [
        {**data["populations"][2], "name": f"bad{i}", "inputs": [{"from": "conv2", "through": [wrong]}]}
        for i in range(count)
    ]
    (folder / DOCUMENT).write_text(json.dumps({**data, "populations": [*data["populations"], *bad]}))
    text = said()
    assert text.count("error[T111]") + text.count("error[T112]") == min(count, 100)
    assert ("error[T108]: has more than 100 errors; the others are not shown" in text) == (count > 100)


SIDE = 1024


def large(neuron, shape, *through, sources=1):
    """A network that has no weights, of large populations, and of one that takes the spikes of all of them."""
    firsts = [
        Population(f"p{i}", (SIDE, SIDE, 1), IntegrateAndFireNeuron(), (Connection("x"),))
        for i in range(sources)
    ]
    last = Population("last", shape, neuron, tuple(Connection(p.name, through) for p in firsts))
    return Network(
        "large",
        (Input("x", (SIDE, SIDE, 1), ConstantCurrentInput()),),
        (*firsts, last),
        (Output("last", neuron.readouts[0]),),
    )


@pytest.mark.parametrize(
    "network",
    [
        large(IntegrateNeuron(), (SIDE, SIDE, 1), sources=16),
        large(IntegrateNeuron(), (SIDE, SIDE, 1), AvgPool2D((64, 64), (1, 1), "same")),
        large(MaximumNeuron(4), (SIDE // 2, SIDE // 2, 1), Windows((2, 2), (2, 2), "valid"), sources=16),
        large(IntegrateNeuron(), (2 * SIDE, 2 * SIDE, 1), UpSampling((2, 2, 1))),
    ],
)
def test_to_check_and_to_show_large_populations_takes_a_few_numbers_a_neuron(network):
    """Text is small whatever shapes it gives: memory may not grow with windows, or with all sources at once."""
    tracemalloc.start()
    try:
        meaning_problems(network)
        checked = tracemalloc.get_traced_memory()[1]
        network_table(network)
        shown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    largest = max(p.size for p in network.populations)
    assert checked < 32 * largest and shown < 64 * largest


def places(data, path=()):
    """The paths of all values in a document's data."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


PLACES = list(places(document_data(small_cnn())))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
TENSOR = small_cnn().tensors[KERNEL].reference()
VALUES = st.recursive(
    SCALARS | st.just(TENSOR) | st.sampled_from(["image", "conv1", "dense", "conv2d", "uniform"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "from", "op", "file", "kind"]) | st.text(max_size=4), inner
        )
    ),
    max_leaves=6,
)


@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
@tries(150)
def test_whatever_stands_in_a_document_it_is_read_or_said_to_be_wrong(tmp_path_factory, changes):
    """Any values in any places: names are checked and weights are read even where the schema is not met."""
    data = {"document": json.loads(json.dumps(document_data(small_cnn())))}
    for path, value in changes:
        at = data
        with contextlib.suppress(KeyError, IndexError, TypeError):  # a change before took the place away
            for key in ("document", *path)[:-1]:
                at = at[key]
            at[("document", *path)[-1]] = json.loads(json.dumps(value))
    folder = tmp_path_factory.mktemp("any") / "n"
    shutil.copytree(VALID, folder)
    (folder / DOCUMENT).write_text(json.dumps(data["document"]))
    try:
        load(folder)
    except TgennError as error:
        assert error.diagnostics and all(d.location.line for d in error.diagnostics)


MANY = {
    "numbers": ("a: [" + "1," * 500_000 + "]", 1),
    "numbers far inside": ("[" * 30 + "1," * 500_000 + "]" * 30, 1),
    "aliases": ("a: [" + "*a," * 300_000 + "]", 101),
    "keys": ("".join(f"{i}:\n" for i in range(130_000)), 1),
    "keys that are not known": ("".join(f"{i}:\n" for i in range(20_000)), 101),
    "a key again and again": ("a:\n" * 300_000, 101),
    "empty populations": ("populations: [" + "{}," * 90_000 + "]", 101),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", MANY)
def test_a_document_of_very_many_mistakes_or_values_takes_seconds(folder, case):
    """Of mistakes a hundred are said, and not more values are looked at than a megabyte of networks has."""
    text, count = MANY[case]
    (folder / DOCUMENT).write_text(text)
    started = time.process_time()
    with memory(2**30), pytest.raises(TgennError) as caught:
        load(folder)
    assert time.process_time() - started < 20
    assert len(caught.value.diagnostics) == count
    if count == 1:
        assert str(caught.value).endswith(
            "error[T102]: has more than 100000 values\n  hint: arrays belong in .npy files"
        )
