"""Formats of documents: a kept example of each can be read for ever, what is not known is refused."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from broken import whole
from killed_writers import files_in

from tgenn_gen import load, simulate
from tgenn_gen.cli.main import main
from tgenn_gen.document.canonical_text import DOCUMENT, FORMAT, SCHEMA
from tgenn_gen.document.schema_check import schema
from tgenn_gen.document.weight_hashes import SUMS
from tgenn_gen.network.model import Simulation

KEPT = Path(__file__).parent / "formats"  # a folder a format, never changed: documents of users look like it
FORMATS = sorted(p.name for p in KEPT.iterdir())
CURRENT = FORMAT.replace("/", "_")
HASHES = {  # of their documents
    "tgenn_1": "2a6dc7c1e9b37bf203b5acd3a93ca88c92470b301bd25712648ce2476907d013",
    "tgenn_2": "2a613a9ebd30dbb187fcc70d8003f9851e0b6022186e2ba5d6ab074693e99069",
}


def copied(name: str, tmp_path) -> Path:
    """A kept example in a folder of its own, as it was written."""
    shutil.copytree(KEPT / name, tmp_path / "n")
    assert hashlib.sha256((tmp_path / "n" / DOCUMENT).read_bytes()).hexdigest() == HASHES[name]
    return tmp_path / "n"


def without(text: str, *keys: str) -> str:
    """A tgenn/1 document's text without some keys of its references to weights."""
    return re.sub(f", (?:{'|'.join(keys)}): [a-z0-9]+", "", text)


def test_there_is_a_kept_example_of_every_format_there_has_been():
    current = int(FORMAT.removeprefix("tgenn/"))
    assert FORMATS == sorted(HASHES) == [f"tgenn_{n}" for n in range(1, current + 1)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_kept_example_means_what_it_meant(tmp_path, name):
    """expected.npz: three examples x (steps of 1/8: sums are exact), and the output that they gave then."""
    folder = copied(name, tmp_path)
    assert main(["migrate", str(folder)]) == 0
    expected = np.load(KEPT / name / "expected.npz")
    np.testing.assert_allclose(simulate(load(folder), expected["x"]).output, expected["output"])


def test_a_document_of_the_current_format_is_left_as_it_is(tmp_path, capsys):
    folder = copied(CURRENT, tmp_path)
    before = files_in(folder)
    assert main(["migrate", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said == f"{folder / DOCUMENT}: has the current format, {FORMAT}: nothing to do\n"
    assert files_in(folder) == before


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_migration_to_tgenn_2_changes_references_and_the_format_and_nothing_else(tmp_path, capsys, line_end):
    folder = copied("tgenn_1", tmp_path)
    text = (folder / DOCUMENT).read_text()
    text = text.replace("scale: 1.0", "scale: 1.0  # not measured").replace(
        "populations:", "# The layers.\npopulations:"
    )
    start = "            kernel: {file: weights/grouped.kernel.npy, shape: [2, 3, 1, 4], "
    by_hand = """            kernel:
              # by hand
              sha256: %s  # of last week
              shape: [2, 3, 1, 4] # rows first
              dtype: float32
              file: weights/grouped.kernel.npy
"""
    line = next(line for line in text.splitlines() if line.startswith(start))
    by_hand %= line.split("sha256: ")[1].removesuffix("}")
    text = text.replace(f"{line}\n", by_hand)
    (folder / DOCUMENT).write_bytes(text.replace("\n", line_end).encode())
    weights = {p.name: p.read_bytes() for p in (folder / "weights").iterdir()}
    assert main(["check", str(folder)]) == 2
    assert (
        "error[T117]: the format tgenn/1 is older than tgenn/2\n  hint: run tgenn migrate"
        in capsys.readouterr().err
    )
    assert main(["migrate", str(folder)]) == 0
    expected = without(text, "dtype", "sha256").replace("format: tgenn/1", "format: tgenn/2")
    old = by_hand.splitlines()[2:5:2]
    expected = expected.replace(f"{old[0]}\n", "              # of last week\n").replace(f"{old[1]}\n", "")
    assert (folder / DOCUMENT).read_bytes().decode() == expected.replace("\n", line_end)
    sums = (folder / SUMS).read_text()
    assert sums == "".join(
        f"{hashlib.sha256(weights[n]).hexdigest()}  weights/{n}\n" for n in sorted(weights)
    )
    assert {n: (folder / "weights" / n).read_bytes() for n in weights} == weights
    assert load(folder) == load(KEPT / "tgenn_2")
    assert main(["check", str(folder)]) == 0
    assert main(["fmt", "--check", str(folder)]) == 0


def test_what_tgenn_1_said_by_saying_nothing_is_written_out(tmp_path):
    folder = copied("tgenn_1", tmp_path)
    text = (folder / DOCUMENT).read_text()
    noted = "provenance: {calibration: {smallest: 0, largest: 0.5}}\n"
    (folder / DOCUMENT).write_text(text.replace("simulation: {dt: 1.0, timesteps: 7}\n", noted))
    assert main(["migrate", str(folder)]) == 0
    network = load(folder)
    assert network.simulation == Simulation(1.0, 16)
    assert network.inputs[0].data_range == (0.0, 0.5)
    text = (folder / DOCUMENT).read_text()
    assert "\nsimulation: {dt: 1.0, timesteps: 16}" in text and "    data_range: [0.0, 0.5]\n" in text


def test_a_simulation_in_the_provenance_is_not_replaced_by_the_default(tmp_path, capsys):
    folder = copied("tgenn_1", tmp_path)
    text = (folder / DOCUMENT).read_text().replace("simulation:", "provenance:\n  simulation:")
    (folder / DOCUMENT).write_text(text)
    before = files_in(folder)
    assert main(["migrate", str(folder)]) == 2
    assert (
        "network.yaml:5:3: error[T110]: 'simulation' is inside provenance, where it has no effect\n"
        "  hint: move it to the top level of the document, on a line without indentation\n"
    ) in capsys.readouterr().err
    assert files_in(folder) == before


def test_a_schema_that_tgenn_wrote_comes_along_and_another_one_stays(tmp_path):
    folder = copied("tgenn_1", tmp_path)
    (folder / SCHEMA).write_text('{"$id": "urn:tgenn:network:1"}')
    assert main(["migrate", str(folder)]) == 0
    assert json.loads((folder / SCHEMA).read_text()) == schema()
    folder = copied("tgenn_1", tmp_path / "another")
    (folder / SCHEMA).write_text("{}")
    assert main(["migrate", str(folder)]) == 0
    assert (folder / SCHEMA).read_text() == "{}"


def test_documents_that_share_a_folder_are_migrated_one_after_the_other(tmp_path):
    folder = copied("tgenn_1", tmp_path)
    kernel, other = "weights/grouped.kernel.npy", "weights/other.npy"
    shutil.copy(folder / kernel, folder / other)
    (folder / "other.yaml").write_text((folder / DOCUMENT).read_text().replace(kernel, other))
    for name in (DOCUMENT, "other.yaml"):
        assert main(["migrate", str(folder / name)]) == 0
    assert (folder / SUMS).read_text().count(".npy\n") == len([*(folder / "weights").glob("*.npy")])
    assert main(["check", str(folder)]) == main(["check", str(folder / "other.yaml")]) == 0


def change_a_weight(folder: Path) -> None:
    np.save(folder / "weights/steps.kernel.npy", np.ones((3, 15, 6), np.float32))


def write_other_hashes(folder: Path) -> None:
    (folder / SUMS).write_text(f"{'0' * 64}  weights/steps.kernel.npy\n")


def drop_a_hash(folder: Path) -> None:
    path = folder / DOCUMENT
    path.write_text(re.sub("(steps.kernel.npy.*), sha256: [0-9a-f]+", r"\1", path.read_text()))


def misspell(folder: Path) -> None:
    path = folder / DOCUMENT
    path.write_text(path.read_text().replace("threshold", "treshold"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_a_weight, f"{DOCUMENT}:86:21: error[T307]: weights/steps.kernel.npy: has sha256 "),
        (write_other_hashes, f"{SUMS}: error[T603]: has other hashes than "),
        (
            drop_a_hash,
            f"{DOCUMENT}:86:21: error[T118]: weights/steps.kernel.npy: expected dtype: float32 and a sha256",
        ),
        (misspell, f"{DOCUMENT}:13:40: error[T110]: unknown key 'treshold' in neuron"),
    ],
)
def test_a_document_that_is_not_valid_is_not_migrated(tmp_path, capsys, change, said):
    folder = copied("tgenn_1", tmp_path)
    change(folder)
    before = files_in(folder)
    assert main(["migrate", str(folder)]) == 2
    assert said in capsys.readouterr().err
    assert files_in(folder) == before


@pytest.mark.parametrize("case", ["format_of_a_newer_version", "format_of_an_older_version", "no_format"])
def test_migrate_refuses_a_format_that_it_does_not_know_and_changes_nothing(tmp_path, capsys, case):
    folder = whole(case, tmp_path / "n")
    before = (folder / "network.yaml").read_bytes()
    assert main(["migrate", str(folder)]) == 2
    assert "format" in capsys.readouterr().err
    assert (folder / "network.yaml").read_bytes() == before
