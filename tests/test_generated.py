"""The golden projects in generated/, byte for byte, and commands on documents."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest
from golden import GENERATED, golden_networks

from tgenn_gen import Network, generate
from tgenn_gen.cli import main
from tgenn_gen.document import document_text
from tgenn_gen.writer import export_files

NAMES = sorted(golden_networks())


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.suffix != ".lock" and "_CODE" not in str(p) and "__pycache__" not in p.parts
    }


def test_generated_holds_the_golden_networks_and_nothing_else():
    assert sorted(p.name for p in GENERATED.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_golden_projects_are_what_the_tool_writes(name):
    found, expected = files_below(GENERATED / name), export_files(golden_networks()[name])
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    assert not missing and not extra, f"missing {missing}, extra {extra}: run python tests/golden.py"
    different = [file for file in expected if found[file] != expected[file]]
    assert not different, f"{different} differ: run python tests/golden.py, and look at the difference"


@pytest.mark.parametrize("name", NAMES)
def test_golden_documents_are_canonical(name):
    network = Network.load(GENERATED / name)
    assert document_text(network) == (GENERATED / name / "network.yaml").read_text()
    assert network == golden_networks()[name]


@pytest.mark.parametrize("name", NAMES)
def test_generated_scripts_are_python_that_imports_numpy_and_pygenn_alone(name):
    standard = {
        "__future__",
        "argparse",
        "contextlib",
        "functools",
        "json",
        "os",
        "sys",
        "time",
        "zipfile",
        "zlib",
        "hashlib",
        "re",
        "fcntl",
        "io",
        "tokenize",
    }
    standard |= {"collections", "pathlib", "typing"}
    for script, allowed in (("simulate.py", {"numpy", "pygenn"}), ("reference.py", {"numpy"})):
        tree = ast.parse((GENERATED / name / script).read_text())
        imported = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
        assert imported - standard <= allowed | {"matplotlib"}, script


def test_generate_writes_what_is_missing_and_check_finds_what_is_stale(tmp_path, capsys):
    folder = tmp_path / "small_cnn"
    shutil.copytree(GENERATED / "small_cnn", folder)
    assert main(["generate", str(folder), "--check"]) == 0
    assert main(["generate", str(folder)]) == 0
    assert capsys.readouterr().out == "all scripts are up to date\n"

    document = folder / "network.yaml"
    document.write_text(document.read_text().replace("threshold: 1.0", "threshold: 0.75", 1))
    assert main(["generate", str(document), "--check"]) == 1
    stale = capsys.readouterr().err
    assert stale.splitlines() == [
        f"{folder / script}: is not what {document} gives: run tgenn generate"
        for script in ("simulate.py", "reference.py")
    ]
    assert main(["generate", str(document), "--target", "numpy"]) == 0
    assert capsys.readouterr().out == f"{folder / 'reference.py'}: written\n"
    assert "threshold=0.75" in (folder / "reference.py").read_text()
    assert main(["generate", str(document)]) == 0
    assert main(["generate", str(document), "--check"]) == 0


def test_generate_refuses_a_script_that_it_did_not_write(tmp_path, capsys):
    golden_networks()["small_cnn"].save(tmp_path / "n")
    (tmp_path / "n/simulate.py").write_text("print('mine')\n")
    assert main(["generate", str(tmp_path / "n")]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'n/simulate.py'}: error[T603]: was not written by tgenn\n"
        "  hint: move it out of the way\n"
    )
    assert (tmp_path / "n/simulate.py").read_text() == "print('mine')\n"
    assert not (tmp_path / "n/reference.py").exists()


def test_an_unknown_target_is_refused(tmp_path, capsys):
    golden_networks()["small_cnn"].save(tmp_path / "n")
    assert main(["generate", str(tmp_path / "n"), "--target", "pygen"]) == 2
    assert capsys.readouterr().err == (
        "--target: error[T701]: there is no target 'pygen'\n  hint: there are pygenn, numpy\n"
    )


def test_check_and_show_read_a_document(capsys):
    assert main(["check", str(GENERATED / "small_cnn")]) == 0
    assert capsys.readouterr().out == f"{GENERATED / 'small_cnn'}: fine: 4 populations, 140 neurons\n"
    assert main(["show", str(GENERATED / "small_cnn" / "network.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "small_cnn: 7 steps of 1 ms an example; read out: membrane of classes"
    assert lines[1] == "input image: 7x10x2, constant_current"
    assert lines[3].split() == "population shape neurons synapses weights sparse toeplitz scale".split()
    assert lines[-3].split() == "total 140 1,182 1.3 KiB 10.5 KiB 1.8 KiB".split()


def test_generate_writes_into_an_existing_folder_from_python(tmp_path):
    network = golden_networks()["branched"]
    network.save(tmp_path / "n")
    assert [p.name for p in generate(network, tmp_path / "n")] == ["simulate.py", "reference.py"]
    assert generate(network, tmp_path / "n") == []
