"""More documents and weights that are wrong in one way: what test_invalid_documents.py does not have."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

import shutil

import numpy as np
import pytest
from sample_networks import small_cnn

from tgenn_gen import Network
from tgenn_gen.cli import main
from tgenn_gen.document import DOCUMENT

KERNEL = "weights/dense.kernel.npy"
RESTORE = "\n  hint: restore the file, or export the network again"


@pytest.fixture
def folder(tmp_path):
    small_cnn().save(tmp_path / "n")
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


def edit(folder, *changes):
    text = (folder / DOCUMENT).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / DOCUMENT).write_text(text)


NAMED = "expected letters, digits and _ . -, with no . or - at the start"

CHANGES = {
    # Types: what YAML makes of a scalar is what counts, and nothing is converted.
    "quoted number": (
        "timesteps: 7",
        "timesteps: '7'",
        ['3:34: error[T112]: timesteps is "7", expected a whole number'],
    ),
    "hexadecimal number": (
        "timesteps: 7",
        "timesteps: 0x10",
        ['3:34: error[T112]: timesteps is "0x10", expected a whole number'],
    ),
    "number with underscores": (
        "timesteps: 7",
        "timesteps: 1_0",
        ['3:34: error[T112]: timesteps is "1_0", expected a whole number'],
    ),
    "float in a shape": (
        "shape: [7, 10, 2]",
        "shape: [7.0, 10, 2]",
        ["6:13: error[T112]: shape[0] is 7.0, expected a whole number"],
    ),
    "true in a shape": (
        "shape: [7, 10, 2]",
        "shape: [7, true, 2]",
        ["6:16: error[T112]: shape[1] is true, expected a whole number"],
    ),
    "number for a list": (
        "strides: [1, 2]",
        "strides: 1",
        ["19:22: error[T112]: strides is 1, expected a list"],
    ),
    "number for a name": ("name: small_cnn", "name: 5", ["2:7: error[T112]: name is 5, expected text"]),
    "no name": ("name: small_cnn", "name:", ["2:6: error[T112]: name is empty, expected text"]),
    "list for the provenance": (
        "simulation: {dt",
        "provenance: [1]\nsimulation: {dt",
        ["3:13: error[T112]: provenance is a list, expected a mapping"],
    ),
    "number too large for a float": (
        "dt: 1.0",
        "dt: 1e400",
        ["3:18: error[T112]: dt is inf, expected a finite number"],
    ),
    # Ranges.
    "number that is rounded to 0": (
        "dt: 1.0",
        "dt: 1e-400",
        ["3:18: error[T114]: dt is 0.0, expected at least 1e-30"],
    ),
    "too many steps": (
        "timesteps: 7",
        "timesteps: 100001",
        ["3:34: error[T114]: timesteps is 100001, expected at most 100000"],
    ),
    "too many steps, in two hundred digits": (
        "timesteps: 7",
        "timesteps: " + "9" * 200,
        [f"3:34: error[T114]: timesteps is {'9' * 57}..., expected at most 100000"],
    ),
    "too long a step": ("dt: 1.0", "dt: 1000.5", ["3:18: error[T114]: dt is 1000.5, expected at most 1000"]),
    "negative scale": (
        "scale: 2.0",
        "scale: -1",
        ["13:12: error[T114]: scale is -1, expected at least 1e-30"],
    ),
    "divisor of 0": (
        "uint8_divisor: 255.0",
        "uint8_divisor: 0",
        ["8:20: error[T114]: uint8_divisor is 0, expected at least 1e-30"],
    ),
    "stride of 0": (
        "strides: [1, 2]",
        "strides: [0, 2]",
        ["19:23: error[T114]: strides[0] is 0, expected at least 1"],
    ),
    "negative length": (
        "shape: [7, 10, 2]",
        "shape: [7, -10, 2]",
        ["6:16: error[T114]: shape[1] is -10, expected at least 1"],
    ),
    "huge window": (
        "pool: [2, 2]",
        "pool: [2, 70000]",
        ["30:40: error[T114]: pool[1] is 70000, expected at most 65536"],
    ),
    # Lengths.
    "shape without axes": (
        "shape: [7, 10, 2]",
        "shape: []",
        ["6:12: error[T115]: shape has 0 items, expected at least 1"],
    ),
    "shape of five axes": (
        "shape: [7, 10, 2]",
        "shape: [1, 1, 7, 10, 2]",
        ["6:12: error[T115]: shape has 5 items, expected at most 4"],
    ),
    # Choices and forms.
    "choice in another case": (
        "padding: same",
        "padding: Same",
        ["20:22: error[T113]: padding is \"Same\", expected valid, same\n  hint: did you mean 'same'?"],
    ),
    "encoding that is not there": (
        "kind: constant_current",
        "kind: latency",
        [
            '7:22: error[T113]: kind is "latency", expected constant_current, integrate_and_fire, poisson, spikes\n'
            "  hint: known here: constant_current, integrate_and_fire, poisson, spikes"
        ],
    ),
    "format that is a number": (
        "format: tgenn/1",
        "format: 1",
        ["1:9: error[T113]: format is 1, expected tgenn/1"],
    ),
    "weights of another type": (
        "dtype: float32",
        "dtype: float64",
        ['14:61: error[T113]: dtype is "float64", expected float32'],
    ),
    "name of other letters": ("name: small_cnn", "name: ä", [f'2:7: error[T116]: name is "ä", {NAMED}']),
    "name like an option": ("name: small_cnn", "name: -a", [f'2:7: error[T116]: name is "-a", {NAMED}']),
    "long name": (
        "name: small_cnn",
        f"name: {'a' * 129}",
        [f'2:7: error[T116]: name is "{"a" * 56}..., expected at most 128 characters'],
    ),
    "weights that are no .npy": (
        "weights/conv1.kernel.npy",
        "weights/conv1.kernel.pkl",
        [
            '21:28: error[T116]: file is "weights/conv1.kernel.pkl", expected a path of letters, digits and _ . - / that ends in .npy'
        ],
    ),
    # Keys.
    "key of another neuron": (
        "kind: integrate}",
        "kind: integrate, threshold: 1.0}",
        ["47:31: error[T110]: unknown key 'threshold' in neuron\n  hint: known here: few_spike, kind"],
    ),
    "no format": (
        "format: tgenn/1\n",
        "",
        ["1:1: error[T111]: the document has no 'format'\n  hint: add format: ..."],
    ),
    "key of YAML 1.1 that merges": (
        "name: small_cnn",
        "name: small_cnn\n<<: {a: 1}",
        [
            "3:1: error[T110]: unknown key '<<' in the document\n  hint: known here: format, inputs, name, outputs, populations, provenance, simulation"
        ],
    ),
    "misspelt key: the keys that are there are no suggestions": (
        "dtype: float32, sha256: ",
        "dtype: float32, sha: ",
        [
            "14:11: error[T111]: bias has no 'sha256'\n  hint: add sha256: ...",
            "14:70: error[T110]: unknown key 'sha' in bias\n  hint: did you mean 'sha256'?",
        ],
    ),
    "deep provenance": (
        "simulation: {dt",
        "provenance: {a: {b: {c: 1}}}\nsimulation: {dt",
        ["3:17: error[T119]: a is a mapping, which is not allowed here"],
    ),
    # Meaning.
    "reshape to another size": (
        "{op: flatten, shape: [2, 3, 4]}",
        "{op: reshape, shape: [2, 3, 4], target_shape: [5, 5]}",
        ["42:13: error[T205]: reshape cannot make (5, 5) of the 24 elements of (2, 3, 4)"],
    ),
    "output that is read twice": (
        "{population: classes, readout: membrane}",
        "{population: classes, readout: membrane}\n  - {population: classes, readout: membrane, start: 1}",
        [
            "56:18: error[T214]: 'classes' is read out a second time\n  hint: an output population has one readout"
        ],
    ),
    "membrane of neurons that spike": (
        "{population: classes,",
        "{population: dense,",
        [
            "55:34: error[T207]: 'dense' (integrate_and_fire) has no readout membrane\n  hint: use readout: spike_count or first_spike, or another kind of neuron"
        ],
    ),
    "more neurons than GeNN can count": (
        "shape: [7, 5, 3]",
        "shape: [100000000, 5, 3]",
        [
            "11:12: error[T208]: 1500000000 neurons, at most 268435456",
            "16:9: error[T205]: the chain from 'image' gives [7, 5, 3], 'conv1' has shape [100000000, 5, 3]",
            "30:13: error[T208]: avg_pool2d gives 450000000 elements, at most 268435456",
        ],
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_mistake_is_said_at_its_place(folder, said, case):
    old, new, expected = CHANGES[case]
    edit(folder, (old, new))
    assert said() == "".join(f"{DOCUMENT}:{line}\n" for line in expected)


@pytest.mark.parametrize(
    ("old", "key", "value", "place"),
    [
        ("threshold: 1.0", "threshold", "1e+50", "12:51"),
        ("v_init: 0.5", "v_init", "1e+300", "12:81"),
        ("v_init: 0.5", "v_init", "-1e+300", "12:81"),
        ("scale: 2.0", "scale", "1e+300", "13:12"),
        ("scale: 2.0", "scale", "1e-60", "13:12"),
        ("uint8_divisor: 255.0", "uint8_divisor", "1e-320", "8:20"),
        ("uint8_divisor: 255.0", "uint8_divisor", "1e+300", "8:20"),
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
        f"{DOCUMENT}:10:11: error[T201]: the name 'Image' differs from 'image' in upper and lower case alone\n"
        "  hint: names are unique, whatever their case\n"
    )


def test_a_chain_of_too_many_maps_is_refused(folder, said):
    flatten = "          - {op: flatten, shape: [2, 3, 4]}\n"
    edit(folder, (flatten, 32 * flatten))
    assert said() == f"{DOCUMENT}:42:11: error[T115]: through has 33 items, expected at most 32\n"


# Text.

TEXTS = {
    "UTF-16": ("a: 1".encode("utf-16"), ["error[T102]: not UTF-8 text (byte 0): not a network document"]),
    "a tab": (
        b"a: 1\n\tb: 2\n",
        ["2:1: error[T103]: not YAML: found character '\\t' that cannot start any token"],
    ),
    "two colons": (b"a: b: c\n", ["1:5: error[T103]: not YAML: mapping values are not allowed here"]),
    "another YAML": (
        b"%YAML 2.0\n---\na: 1\n",
        ["1:1: error[T103]: not YAML: found incompatible YAML document (version 1.* is required)"],
    ),
    "an escape of a character beyond Unicode": (
        b'a: "\\U00110000"\n',
        ["error[T103]: not YAML: an escape of no character"],
    ),
    "an escape of a number too large for a character": (
        b'a: "\\UFFFFFFFF"\n',
        ["error[T103]: not YAML: an escape of no character"],
    ),
    "a tag at the top": (
        b"--- !x\na: 1\n",
        ["1:5: error[T106]: tag !x\n  hint: remove it: documents have no tags"],
    ),
    "mappings nested deep": (
        b"{a: " * 40 + b"1" + b"}" * 40,
        ["1:133: error[T105]: nested more than 32 deep"],
    ),
    "comments alone": (b"# nothing\n", ["1:1: error[T112]: the document is empty, expected a mapping"]),
    "a list": (b"[1, 2]\n", ["1:1: error[T112]: the document is a list, expected a mapping"]),
    "several mistakes, and text that is not YAML after them": (
        b"c: 1\nc: 2\nd: *x\n[",
        [
            "2:1: error[T107]: key 'c' stands here a second time\n  hint: the first is at line 1",
            "3:4: error[T106]: alias *x\n  hint: write the value out: documents have no aliases",
            "4:1: error[T103]: not YAML: expected <block end>, but found '['",
        ],
    ),
    "several mistakes in a line": (
        b"{a: 1, a: 2, b: *x, c: !t 1, [k]: 2}",
        [
            "1:8: error[T107]: key 'a' stands here a second time\n  hint: the first is at line 1",
            "1:17: error[T106]: alias *x\n  hint: write the value out: documents have no aliases",
            "1:24: error[T106]: tag !t\n  hint: remove it: documents have no tags",
            "1:30: error[T103]: a key that is not text\n  hint: keys are names such as threshold",
        ],
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text_that_is_no_document_is_refused_at_its_place(folder, said, case):
    content, expected = TEXTS[case]
    (folder / DOCUMENT).write_bytes(content)
    assert said().replace(f"{DOCUMENT}: error", "error").replace(f"{DOCUMENT}:", "") == "".join(
        f"{line}\n" for line in expected
    )


@pytest.mark.parametrize(
    "change", [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")]
)
def test_editors_of_other_systems_do_no_harm(folder, change):
    """A byte order mark, line ends of Windows."""
    before = Network.load(folder)
    (folder / DOCUMENT).write_bytes(change((folder / DOCUMENT).read_bytes()))
    assert Network.load(folder) == before


HINT = "\n  hint: give the path of a network.yaml, or of the folder it is in\n"


def test_a_folder_named_network_yaml_is_no_document(folder, said):
    (folder / DOCUMENT).unlink()
    (folder / DOCUMENT).mkdir()
    assert said() == f"{DOCUMENT}: error[T101]: cannot be read: not a regular file{HINT}"


def test_a_document_that_links_to_itself_is_refused(folder, said):
    (folder / DOCUMENT).unlink()
    (folder / DOCUMENT).symlink_to(DOCUMENT)
    assert said() == f"{DOCUMENT}: error[T101]: cannot be read: Too many levels of symbolic links{HINT}"


# Weights.


def npy(header: str):
    """A file of that header, with as many bytes after it as a (24, 6) array has."""

    def write(path):
        head = header.encode("latin1")
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(576))

    return write


def described(**changes) -> str:
    return repr({"descr": "<f4", "fortran_order": False, "shape": (24, 6), **changes})


def of_version(path, version):
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.zeros((24, 6), np.float32), version=version)


def an_npz(path):
    with path.open("wb") as file:
        np.savez(file, x=np.zeros(3))


NO_NPY = f"T303]: {KERNEL}: is not a .npy file of format 1.0{RESTORE}"
FLOAT32 = "expected float32 in C order\n  hint: save it with np.save(file, np.ascontiguousarray(array, dtype='<f4'))"
WEIGHTS = {
    "empty": (lambda path: path.write_bytes(b""), NO_NPY),
    "an .npz": (an_npz, NO_NPY),
    "of .npy format 2": (lambda path: of_version(path, (2, 0)), NO_NPY),
    "a folder": (lambda path: path.mkdir(), f"T302]: {KERNEL}: cannot be read: not a regular file{RESTORE}"),
    "a link to nothing": (
        lambda path: path.symlink_to("nowhere.npy"),
        f"T302]: {KERNEL}: cannot be read: No such file or directory{RESTORE}",
    ),
    "a link to itself": (
        lambda path: path.symlink_to(path.name),
        f"T302]: {KERNEL}: cannot be read: Too many levels of symbolic links{RESTORE}",
    ),
    "whole numbers": (
        lambda path: np.save(path, np.zeros((24, 6), np.int32)),
        f"T304]: {KERNEL}: holds int32, {FLOAT32}",
    ),
    "text": (lambda path: np.save(path, np.full((24, 6), "a")), f"T304]: {KERNEL}: holds <U1, {FLOAT32}"),
    "records": (npy(described(descr=[("a", "<f4")])), f"T304]: {KERNEL}: holds [('a', '<f4')], {FLOAT32}"),
    "flat": (
        npy(described(shape=(144,))),
        f"T305]: {KERNEL}: has shape [144], the document says [24, 6]{RESTORE}; or correct the shape in the document",
    ),
    "of a negative length": (
        npy(described(shape=(24, -6))),
        f"T305]: {KERNEL}: has shape [24, -6], the document says [24, 6]{RESTORE}; or correct the shape in the document",
    ),
    "with a header of blanks": (npy(" " * 30), NO_NPY),
    "with a header that is code": (npy("__import__('os').system('id')"), NO_NPY),
    "with a header of another type": (npy(described(descr=5)), NO_NPY),
    "with a header that is cut off": (npy(described()[:-2]), NO_NPY),
    "with a header of open brackets": (npy("(" * 3000), NO_NPY),
    "with a long header": (npy(described() + " " * 5000), NO_NPY),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_not_what_the_document_says_are_refused(folder, said, case):
    change, expected = WEIGHTS[case]
    (folder / KERNEL).unlink()
    change(folder / KERNEL)
    assert said() == f"{DOCUMENT}:44:21: error[{expected}\n"


def test_weights_that_are_a_link_out_of_the_folder_are_refused_and_it_is_said_why(folder, said):
    """The path in the document is as it should be: it is the link that leads out."""
    shutil.move(folder / KERNEL, folder.parent / "kernel.npy")
    (folder / KERNEL).symlink_to(folder.parent / "kernel.npy")
    assert said() == (
        f"{DOCUMENT}:44:21: error[T301]: {KERNEL}: is a link that leads out of the document's folder\n"
        "  hint: copy the file into the folder\n"
    )


def test_weights_that_are_a_link_inside_the_folder_are_read(folder):
    shutil.move(folder / KERNEL, folder / "kernel.npy")
    (folder / KERNEL).symlink_to("../kernel.npy")
    assert Network.load(folder) == small_cnn()


def test_one_file_cannot_have_two_shapes(folder, said):
    old = "file: weights/conv2.bias.npy, shape: [2, 3, 4]"
    edit(folder, (old, "file: weights/conv1.bias.npy, shape: [4]"))
    assert said() == (
        f"{DOCUMENT}:26:11: error[T305]: weights/conv1.bias.npy: has shape [3], the document says [4]{RESTORE}; or correct the shape in the document\n"
    )


def test_all_weights_that_are_wrong_are_said_at_once_in_the_order_of_the_text(folder, said):
    (folder / "weights/conv1.kernel.npy").unlink()
    (folder / "weights/classes.kernel.npy").write_text("hello")
    edit(folder, (KERNEL, "../dense.kernel.npy"))
    assert said() == (
        f"{DOCUMENT}:21:21: error[T302]: weights/conv1.kernel.npy: cannot be read: No such file or directory{RESTORE}\n"
        f"{DOCUMENT}:44:21: error[T301]: ../dense.kernel.npy: is not a path inside the document's folder\n"
        "  hint: give one like weights/dense.kernel.npy\n"
        f"{DOCUMENT}:53:21: error[T303]: weights/classes.kernel.npy: is not a .npy file of format 1.0{RESTORE}\n"
    )


def test_a_wrong_bias_in_a_document_is_said_with_the_shapes_that_fit(folder, said):
    """The array itself is as the reference says: it is the population that it does not fit."""
    edit(folder, ("shape: [7, 5, 3]", "shape: [7, 5, 4]"))
    assert said() == (
        f"{DOCUMENT}:14:11: error[T206]: has shape [3], expected [4] (one a channel) or [7, 5, 4] (one a neuron)\n"
        f"{DOCUMENT}:16:9: error[T205]: the chain from 'image' gives [7, 5, 3], 'conv1' has shape [7, 5, 4]\n"
        f"{DOCUMENT}:31:13: error[T205]: conv2d takes (height, width, 3), its input is (4, 3, 4)\n"
    )
