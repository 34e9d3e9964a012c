"""Documents and weights that are wrong in one way each: the whole diagnostic, and nothing but it."""

# ruff: noqa: E501  (what is said stands in one piece)

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest
from sample_networks import small_cnn

from tgenn_gen import Network, TgennError
from tgenn_gen.cli import main
from tgenn_gen.document import DOCUMENT
from tgenn_gen.neurons.integrate import Integrate
from tgenn_gen.ops import OPS
from tgenn_gen.ops.conv2d import Conv2D
from tgenn_gen.ops.dense import Dense
from tgenn_gen.ops.flatten import Flatten
from tgenn_gen.ops.scale import Scale
from tgenn_gen.spec import Connection
from tgenn_gen.tensors import Tensor

KNOWN_OPS = ", ".join(sorted(OPS))


@pytest.fixture
def folder(tmp_path):
    small_cnn().save(tmp_path / "n")
    return tmp_path / "n"


def diagnostics(path) -> list[str]:
    """The error lines that loading gives, without the folder's path."""
    with pytest.raises(TgennError) as caught:
        Network.load(path)
    return [str(d).replace(f"{path}{os.sep}", "") for d in caught.value.diagnostics]


# What stands in generated/small_cnn/network.yaml, what it is changed to, and all that is then said.
CHANGES = {
    "unknown key": (
        "threshold: 1.0",
        "treshold: 1.0",
        [
            "12:40: error[T110]: unknown key 'treshold' in neuron\n  hint: did you mean 'threshold'?",
        ],
    ),
    "unknown key at the top": (
        "name: small_cnn",
        "name: small_cnn\ncolour: red",
        [
            "3:1: error[T110]: unknown key 'colour' in the document\n  hint: known here: format, inputs, name, outputs, populations, provenance, simulation",
        ],
    ),
    "key of another op": (
        "{op: avg_pool2d, pool: [2, 2],",
        "{op: avg_pool2d, kernel: 1, pool: [2, 2],",
        [
            "30:30: error[T110]: unknown key 'kernel' in through[0]\n  hint: known here: op, padding, pool, strides",
        ],
    ),
    "missing key": (
        "{op: avg_pool2d, pool: [2, 2], ",
        "{op: avg_pool2d, ",
        [
            "30:13: error[T111]: through[0] has no 'pool'\n  hint: add pool: ...",
        ],
    ),
    "format of another version": (
        "format: tgenn/1",
        "format: tgenn/9",
        [
            '1:9: error[T113]: format is "tgenn/9", expected tgenn/1',
        ],
    ),
    "text for a number": (
        "threshold: 1.0",
        "threshold: high",
        [
            '12:51: error[T112]: threshold is "high", expected a finite number',
        ],
    ),
    "empty value": (
        "threshold: 1.0",
        "threshold: ",
        [
            "12:50: error[T112]: threshold is empty, expected a finite number",
        ],
    ),
    "list for a mapping": (
        "encoding: {kind: constant_current}",
        "encoding: [constant_current]",
        [
            "7:15: error[T112]: encoding is a list, expected a mapping",
        ],
    ),
    "float for a whole number": (
        "timesteps: 7",
        "timesteps: 7.0",
        [
            "3:34: error[T112]: timesteps is 7.0, expected a whole number",
        ],
    ),
    "true for a whole number": (
        "timesteps: 7",
        "timesteps: true",
        [
            "3:34: error[T112]: timesteps is true, expected a whole number",
        ],
    ),
    "not a number": (
        "v_init: 0.5",
        "v_init: .nan",
        [
            "12:81: error[T112]: v_init is nan, expected a finite number",
        ],
    ),
    "infinity": (
        "v_init: 0.5",
        "v_init: -.inf",
        [
            "12:81: error[T112]: v_init is -inf, expected a finite number",
        ],
    ),
    "below the range": (
        "timesteps: 7",
        "timesteps: 0",
        [
            "3:34: error[T114]: timesteps is 0, expected at least 1",
        ],
    ),
    "at the excluded end": (
        "threshold: 1.0",
        "threshold: 0",
        [
            "12:51: error[T211]: the threshold, 0, is not above the resting potential, 0, in float32",
        ],
    ),
    "unknown choice": (
        "reset: subtract",
        "reset: substract",
        [
            "12:63: error[T113]: reset is \"substract\", expected subtract, zero, to_rest\n  hint: did you mean 'subtract'?",
        ],
    ),
    "unknown op": (
        "op: dense",
        "op: dens",
        [
            f"43:17: error[T113]: op is \"dens\", expected {KNOWN_OPS}\n  hint: did you mean 'dense'?",
        ],
    ),
    "unknown neuron": (
        "kind: integrate}",
        "kind: integrator}",
        [
            "47:20: error[T113]: kind is \"integrator\", expected few_spike, integrate, integrate_and_fire, maximum, signed_integrate_and_fire\n  hint: did you mean 'integrate'?",
        ],
    ),
    "pair of three": (
        "strides: [1, 2]",
        "strides: [1, 2, 3]",
        [
            "19:22: error[T115]: strides has 3 items, expected at most 2",
        ],
    ),
    "code for a name": (
        "name: conv1",
        "name: 'x\"); import os #'",
        [
            '10:11: error[T116]: name is "x\\"); import os #", expected letters, digits and _ . -, with no . or - at the start',
        ],
    ),
    "a line break after a name": (
        "name: conv1",
        'name: "conv1\\n"',
        [
            '10:11: error[T116]: name is "conv1\\n", expected letters, digits and _ . -, with no . or - at the start',
        ],
    ),
    "no op": (
        "{op: avg_pool2d, pool: [2, 2],",
        "{pool: [2, 2],",
        ["30:13: error[T111]: through[0] has no 'op'\n  hint: add op: ..."],
    ),
    "no kind": (
        "{kind: integrate_and_fire, threshold: 1.0,",
        "{threshold: 1.0,",
        ["12:13: error[T111]: neuron has no 'kind'\n  hint: add kind: ..."],
    ),
    "a name twice": (
        "name: conv2",
        "name: conv1",
        [
            "22:11: error[T201]: the name 'conv1' stands here a second time\n  hint: names are unique, whatever their case",
            "40:15: error[T202]: there is no input or population 'conv2'\n  hint: did you mean 'conv1'?",
        ],
    ),
    "unknown source": (
        "from: conv1",
        "from: conv_1",
        [
            "28:15: error[T202]: there is no input or population 'conv_1'\n  hint: did you mean 'conv1'?",
        ],
    ),
    "source further down": (
        "from: conv1",
        "from: dense",
        [
            "28:15: error[T202]: 'dense' comes only later in the document\n  hint: populations stand in topological order: move it up",
        ],
    ),
    "its own source": (
        "from: conv1",
        "from: conv2",
        [
            "28:15: error[T202]: 'conv2' cannot be its own source\n  hint: a network has no recurrent connections",
        ],
    ),
    "map that does not fit": (
        "{op: flatten, shape: [2, 3, 4]}",
        "{op: flatten, shape: [3, 2, 4]}",
        [
            "42:13: error[T205]: flatten flattens (3, 2, 4), its input is (2, 3, 4)",
        ],
    ),
    "shape that no chain gives": (
        "shape: [6]\n",
        "shape: [7]\n",
        [
            "40:9: error[T205]: the chain from 'conv2' gives [6], 'dense' has shape [7]",
            "52:13: error[T205]: dense takes (..., 6), its input is (7,)",
        ],
    ),
    "unknown output": (
        "{population: classes,",
        "{population: clases,",
        [
            "55:18: error[T202]: there is no population 'clases'\n  hint: did you mean 'classes'?",
        ],
    ),
    "readout that the neurons do not have": (
        "readout: membrane",
        "readout: spike_count",
        [
            "55:36: error[T207]: 'classes' (integrate) has no readout spike_count\n  hint: use readout: membrane, or another kind of neuron",
        ],
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_mistake_is_said_at_its_place(folder, case):
    old, new, expected = CHANGES[case]
    text = (folder / DOCUMENT).read_text()
    assert old in text
    (folder / DOCUMENT).write_text(text.replace(old, new, 1))
    assert diagnostics(folder) == [f"{DOCUMENT}:{line}" for line in expected]
    assert main(["check", str(folder)]) == 2
    assert main(["generate", str(folder)]) == 2
    assert sorted(p.name for p in folder.iterdir()) == [DOCUMENT, "weights"]


def test_all_mistakes_are_said_at_once_in_the_order_of_the_text(folder):
    text = (folder / DOCUMENT).read_text()
    for old, new in (
        ("timesteps: 7", "timesteps: 0"),
        ("v_init: 0.5", "v_int: 0.5"),
        ("op: dense", "op: dens"),
    ):
        text = text.replace(old, new, 1)
    (folder / DOCUMENT).write_text(text)
    assert [d.split("\n")[0] for d in diagnostics(folder)] == [
        "network.yaml:3:34: error[T114]: timesteps is 0, expected at least 1",
        "network.yaml:12:73: error[T110]: unknown key 'v_int' in neuron",
        f'network.yaml:43:17: error[T113]: op is "dens", expected {KNOWN_OPS}',
    ]


NAME = "network.yaml"
TEXTS = {
    "not UTF-8": (b"format: \xff\n", f"{NAME}: error[T102]: not UTF-8 text (byte 8): not a network document"),
    "control characters": (
        b"name: a\x1b[2Jb\n",
        f"{NAME}: error[T103]: not YAML: character U+001B is not allowed",
    ),
    "not YAML": (
        b"name: [1, 2\n",
        f"{NAME}:2:1: error[T103]: not YAML: expected ',' or ']', but got '<stream end>'",
    ),
    "a second document": (
        b"name: a\n---\nname: b\n",
        f"{NAME}:2:1: error[T104]: a second document in one file\n  hint: remove it, and its ---",
    ),
    "deep nesting": (b"[" * 100000, f"{NAME}:1:34: error[T105]: nested more than 32 deep"),
    "an alias": (
        b"a: &x [1]\nb: *x\n",
        f"{NAME}:2:4: error[T106]: alias *x\n  hint: write the value out: documents have no aliases",
    ),
    "a tag": (
        b"a: !!python/object/apply:os.system ['id']\n",
        f"{NAME}:1:4: error[T106]: tag tag:yaml.org,2002:python/object/apply:os.system\n"
        "  hint: remove it: documents have no tags",
    ),
    "a key twice": (
        b"a: 1\nb: 2\na: 3\n",
        f"{NAME}:3:1: error[T107]: key 'a' stands here a second time\n  hint: the first is at line 1",
    ),
    "a key that is not text": (
        b"[a]: 1\n",
        f"{NAME}:1:1: error[T103]: a key that is not text\n  hint: keys are names such as threshold",
    ),
    "empty": (b"", f"{NAME}:1:1: error[T112]: the document is empty, expected a mapping"),
    "a number": (b"3\n", f"{NAME}:1:1: error[T112]: the document is 3, expected a mapping"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_file_that_is_no_document_is_refused(tmp_path, case):
    content, expected = TEXTS[case]
    (tmp_path / DOCUMENT).write_bytes(content)
    assert diagnostics(tmp_path) == [expected]


def test_a_missing_document_and_a_folder_without_one_are_said(tmp_path, capsys):
    assert main(["check", str(tmp_path / "no.yaml")]) == 2
    assert main(["check", str(tmp_path)]) == 2
    hint = "  hint: give the path of a network.yaml, or of the folder it is in\n"
    assert capsys.readouterr().err == (
        f"{tmp_path / 'no.yaml'}: error[T101]: cannot be read: No such file or directory\n{hint}"
        f"{tmp_path / DOCUMENT}: error[T101]: cannot be read: No such file or directory\n{hint}"
    )


def test_a_document_of_many_megabytes_is_not_read(tmp_path):
    with (tmp_path / DOCUMENT).open("wb") as file:
        file.truncate(2**30)
    assert diagnostics(tmp_path) == ["network.yaml: error[T102]: larger than 1 MiB"]


# Weights. Each case breaks weights/dense.kernel.npy, float32 (24, 6); what is said follows its name.

KERNEL = "weights/dense.kernel.npy"
RESTORE = "\n  hint: restore the file, or export the network again"
FLOAT32 = "\n  hint: save it with np.save(file, np.ascontiguousarray(array, dtype='<f4'))"


def saved(array, **options):
    return lambda path: np.save(path, array, **options)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-10])


def one_more(path):
    path.write_bytes(path.read_bytes() + b"0000")


def other_values(path):
    np.save(path, np.load(path) + 1)


def not_finite(path):
    values = np.load(path)
    values[3, 4] = np.nan
    np.save(path, values)


WEIGHTS = {
    "missing": (
        lambda path: path.unlink(),
        f"T302]: {KERNEL}: cannot be read: No such file or directory{RESTORE}",
    ),
    "not a .npy": (
        lambda path: path.write_text("hello"),
        f"T303]: {KERNEL}: is not a .npy file of format 1.0{RESTORE}",
    ),
    "cut off in its header": (
        lambda path: path.write_bytes(path.read_bytes()[:60]),
        f"T303]: {KERNEL}: is not a .npy file of format 1.0{RESTORE}",
    ),
    "cut off": (cut_off, f"T306]: {KERNEL}: holds 566 bytes of data, its shape needs 576{RESTORE}"),
    "too long": (one_more, f"T306]: {KERNEL}: holds 580 bytes of data, its shape needs 576{RESTORE}"),
    "pickled": (
        saved(np.array([{}] * 144).reshape(24, 6), allow_pickle=True),
        f"T304]: {KERNEL}: holds pickled objects, which are never loaded{RESTORE}",
    ),
    "of another shape": (
        saved(np.zeros((6, 24), np.float32)),
        f"T305]: {KERNEL}: has shape [6, 24], the document says [24, 6]{RESTORE}; or correct the shape in the document",
    ),
    "of another type": (
        saved(np.zeros((24, 6))),
        f"T304]: {KERNEL}: holds float64, expected float32 in C order{FLOAT32}",
    ),
    "big-endian": (
        saved(np.zeros((24, 6), ">f4")),
        f"T304]: {KERNEL}: holds >f4, expected float32 in C order{FLOAT32}",
    ),
    "in Fortran order": (
        saved(np.asfortranarray(np.zeros((24, 6), np.float32))),
        f"T304]: {KERNEL}: holds float32 in Fortran order, expected float32 in C order{FLOAT32}",
    ),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_not_what_the_document_says_are_refused(folder, case):
    change, expected = WEIGHTS[case]
    change(folder / KERNEL)
    assert diagnostics(folder) == [f"network.yaml:44:21: error[{expected}"]
    assert main(["generate", str(folder)]) == 2
    assert sorted(p.name for p in folder.iterdir()) == [DOCUMENT, "weights"]


def sha256(folder) -> str:
    return hashlib.sha256((folder / KERNEL).read_bytes()).hexdigest()


def test_weights_that_were_changed_are_known_by_their_hash(folder):
    before = sha256(folder)
    other_values(folder / KERNEL)
    assert diagnostics(folder) == [
        f"network.yaml:44:21: error[T307]: {KERNEL}: has sha256 {sha256(folder)}, the document says {before}\n"
        "  hint: if you changed the weights on purpose, write the new hash into the document"
    ]
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace(before, sha256(folder)))
    assert main(["check", str(folder)]) == 0


def test_weights_that_are_not_finite_are_refused_even_with_the_right_hash(folder):
    before = sha256(folder)
    not_finite(folder / KERNEL)
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace(before, sha256(folder)))
    assert diagnostics(folder) == [
        f"network.yaml:44:21: error[T308]: {KERNEL}: holds nan at index [3, 4]{RESTORE}"
    ]


@pytest.mark.parametrize(
    "file",
    [
        "../secret.npy",
        "/etc/secret.npy",
        "weights/../../secret.npy",
        "./weights/dense.kernel.npy",
        "link/secret.npy",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(folder, file):
    """Whether or not there is something at its end: nothing is read."""
    np.save(folder.parent / "secret.npy", np.zeros((24, 6), np.float32))
    (folder / "link").symlink_to(folder.parent)
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace(KERNEL, file))
    found = diagnostics(folder)
    if file.startswith("link"):
        reason = "is a link that leads out of the document's folder\n  hint: copy the file into the folder"
    else:
        reason = "is not a path inside the document's folder\n  hint: give one like weights/dense.kernel.npy"
    assert found == [f"network.yaml:44:21: error[T301]: {file}: {reason}"]


def test_a_huge_shape_takes_no_memory(folder):
    """The file's own header may claim anything too: sizes are compared before anything is allocated."""
    import tracemalloc

    huge = (100_000_000, 100_000_000)
    header = {"descr": "<f4", "fortran_order": False, "shape": huge}
    with (folder / KERNEL).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text.replace("shape: [24, 6]", "shape: [100000000, 100000000]"))
    tracemalloc.start()
    found = diagnostics(folder)
    assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    tracemalloc.stop()
    assert found == [
        "network.yaml:43:13: error[T205]: dense takes (..., 100000000), its input is (24,)",
        f"network.yaml:44:21: error[T306]: {KERNEL}: holds 0 bytes of data, its shape needs 40000000000000000{RESTORE}",
    ]


def changed(index: int, **values):
    """small_cnn with fields of its population `index` changed."""
    network = small_cnn()
    populations = list(network.populations)
    populations[index] = replace(populations[index], **values)
    return replace(network, populations=tuple(populations))


def tensor(*shape: int) -> Tensor:
    return Tensor("weights/x.npy", np.ones(shape))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            changed(0, inputs=(Connection("image", (Conv2D((1, 2), "same", tensor(4, 3, 2)),)),)),
            "populations.0.inputs.0.through.0: conv2d needs a kernel (rows, columns, channels, filters), it is (4, 3, 2)",
        ),
        (
            changed(0, inputs=(Connection("image", (Conv2D((1, 2), "same", tensor(4, 3, 3, 3)),)),)),
            "populations.0.inputs.0.through.0: conv2d takes (height, width, 3), its input is (7, 10, 2)",
        ),
        (
            changed(0, inputs=(Connection("image", (Conv2D((1, 2), "valid", tensor(8, 3, 2, 3)),)),)),
            "populations.0.inputs.0.through.0: conv2d a window of 8x3 does not fit an input of 7x10",
        ),
        (
            changed(2, inputs=(Connection("conv2", (Flatten((2, 3, 4)), Dense(tensor(24, 6, 1)))),)),
            "populations.2.inputs.0.through.1: dense needs a kernel (inputs, units), it is (24, 6, 1)",
        ),
        (
            changed(3, inputs=(Connection("dense", (Dense(tensor(6, 6)), Dense(tensor(6, 5)))),)),
            "populations.3.inputs.0.through.1: a second kernel in the chain from 'dense'",
        ),
        (
            changed(0, bias=tensor(4)),
            "populations.0.bias: has shape [4], expected [3] (one a channel) or [7, 5, 3] (one a neuron)",
        ),
        (
            changed(2, neuron=Integrate()),
            "populations.3.inputs.0.from: 'dense' never spikes, so nothing comes from it",
        ),
        (
            changed(1, inputs=(Connection("conv1", (Scale(tensor(2)),)),)),
            "populations.1.inputs.0.through.0: scale has 2 factors for the 3 channels of (7, 5, 3)",
        ),
    ],
)
def test_a_network_without_meaning_is_not_written(tmp_path, network, expected):
    with pytest.raises(TgennError) as caught:
        network.save(tmp_path / "n")
    assert f": {expected}" in str(caught.value).split("\n")[0]
    assert not (tmp_path / "n").exists()


def test_a_network_built_in_memory_is_held_to_the_same_rules(tmp_path):
    """Names and paths are printed into code, so that they are checked wherever a network comes from."""
    for network, message in (
        (changed(0, name='x"); import os #'), r"populations.0.name: name is .* expected letters, digits"),
        (
            changed(0, bias=Tensor('weights/x");import os#.npy', np.ones(3))),
            r"bias.file: file is .* expected a path of letters",
        ),
        (changed(0, bias=Tensor("../x.npy", np.ones(3))), r"populations.0: ../x.npy is not a path inside"),
    ):
        with pytest.raises(TgennError, match=message):
            network.save(tmp_path / "bad")
        assert not (tmp_path / "bad").exists() and not (tmp_path / "x.npy").exists()


def test_a_pipe_is_no_document_and_no_weights(folder):
    """Opening one would wait for a writer for ever."""
    (folder / KERNEL).unlink()
    os.mkfifo(folder / KERNEL)
    assert diagnostics(folder) == [
        f"network.yaml:44:21: error[T302]: {KERNEL}: cannot be read: not a regular file{RESTORE}"
    ]
    (folder / DOCUMENT).unlink()
    os.mkfifo(folder / DOCUMENT)
    assert diagnostics(folder)[0].startswith("network.yaml: error[T101]: cannot be read: not a regular file")


def test_mistakes_in_the_text_and_in_weights_are_said_together(folder):
    (folder / KERNEL).unlink()
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(
        text.replace("from: conv1", "from: conv9").replace("shape: [6, 5]", "shape: [7, 5]")
    )
    assert [d.split("\n")[0] for d in diagnostics(folder)] == [
        "network.yaml:28:15: error[T202]: there is no input or population 'conv9'",
        f"network.yaml:44:21: error[T302]: {KERNEL}: cannot be read: No such file or directory",
        "network.yaml:52:13: error[T205]: dense takes (..., 7), its input is (6,)",
        "network.yaml:53:21: error[T305]: weights/classes.kernel.npy: has shape [6, 5], the document says [7, 5]",
    ]
