"""The golden projects in generated/, byte for byte, and commands on documents."""

from __future__ import annotations

import ast
import hashlib
import shutil
from pathlib import Path

import pytest
from golden import GENERATED, golden_networks
from sample_networks import small_cnn

from tgenn_gen import generate, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.codegen.stamps import stamped
from tgenn_gen.document.canonical_text import document_of, document_text
from tgenn_gen.errors import TgennError
from tgenn_gen.project.writing import export_files, write_folder

NAMES = sorted(golden_networks())
EDITED = "was edited by hand"
UNKNOWN = "was edited by hand, or written by a tgenn that put no hash at its end"


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
    assert not missing and not extra, f"missing {missing}, extra {extra}: run python tests/support/golden.py"
    different = [file for file in expected if found[file] != expected[file]]
    assert not different, (
        f"{different} differ: run python tests/support/golden.py, and look at the difference"
    )


@pytest.mark.parametrize("name", NAMES)
def test_golden_documents_are_canonical(name):
    network = load(GENERATED / name)
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
        "struct",
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
        *(
            f"{folder / script}: was made from another document"
            for script in ("simulate.py", "model.cc", "reference.py")
        ),
        f"tgenn generate {document} writes them anew; with --force also what was edited by hand",
    ]
    assert main(["generate", str(document), "--target", "numpy"]) == 0
    assert capsys.readouterr().out == f"{folder / 'reference.py'}: written\n"
    assert "threshold=0.75" in (folder / "reference.py").read_text()
    assert main(["generate", str(document)]) == 0
    assert main(["generate", str(document), "--check"]) == 0


def test_generate_refuses_a_script_that_it_did_not_write(tmp_path, capsys):
    save(golden_networks()["small_cnn"], tmp_path / "n")
    (tmp_path / "n/simulate.py").write_text("print('mine')\n")
    assert main(["generate", str(tmp_path / "n")]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'n/simulate.py'}: error[T603]: was not written by tgenn\n"
        "  hint: move it out of the way\n"
    )
    assert (tmp_path / "n/simulate.py").read_text() == "print('mine')\n"
    assert not (tmp_path / "n/reference.py").exists()


EDITS = {  # what is done to a script: what is said of it
    "a line in the middle": (lambda text: text.replace("import json", "import json  # mine", 1), EDITED),
    "a line at the end": (lambda text: text + "# mine\n", EDITED),
    "the hash": (lambda text: text[:-65] + "0" * 64 + "\n", EDITED),
    "no hash, as the first versions had it": (lambda text: text[: text[:-1].rindex("\n") + 1], UNKNOWN),
    "no last newline": (lambda text: text[:-1], EDITED),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_edited_by_hand_is_told_and_kept_without_force(tmp_path, capsys, edit):
    folder = tmp_path / "n"
    shutil.copytree(GENERATED / "small_cnn", folder)
    before = files_below(folder)
    change, said = EDITS[edit]
    script = folder / "simulate.py"
    script.write_text(change(script.read_text()))
    (folder / "model.cc").write_text("// mine\n" + (folder / "model.cc").read_text())
    (folder / "reference.py").unlink()
    edited = files_below(folder)

    assert main(["generate", str(folder), "--check"]) == 1
    assert capsys.readouterr().err.splitlines()[:-1] == [
        f"{script}: {said}",
        f"{folder / 'model.cc'}: was edited by hand",
        f"{folder / 'reference.py'}: is missing",
    ]
    assert main(["generate", str(folder)]) == 2
    hint = "  hint: make the change in network.yaml, or give --force to lose it\n"
    assert capsys.readouterr().err == (
        f"{folder / 'model.cc'}: error[T606]: was edited by hand\n{hint}{script}: error[T606]: {said}\n{hint}"
    )
    assert files_below(folder) == edited
    assert main(["generate", str(folder), "--force"]) == 0
    assert files_below(folder) == before


def test_an_intact_script_of_another_version_is_stale_and_written_anew(tmp_path, capsys):
    folder = tmp_path / "n"
    shutil.copytree(GENERATED / "small_cnn", folder)
    script = folder / "reference.py"
    older = script.read_text().replace("tgenn_gen 0.", "tgenn_gen 0.0.").splitlines(keepends=True)[:-1]
    script.write_text(stamped("reference.py", "".join(older)))
    assert main(["generate", str(folder), "--check"]) == 1
    assert capsys.readouterr().err.startswith(
        f"{script}: was made by another version of tgenn, or from other templates\n"
    )
    assert main(["generate", str(folder)]) == 0
    assert files_below(folder) == files_below(GENERATED / "small_cnn")


def test_the_hash_at_the_end_is_that_of_the_lines_above():
    for name in ("simulate.py", "reference.py", "model.cc"):
        *lines, last = (GENERATED / "small_cnn" / name).read_bytes().splitlines(keepends=True)
        digest = hashlib.sha256(b"".join(lines)).hexdigest()
        comment = "//" if name == "model.cc" else "#"
        assert last.decode() == f"{comment} tgenn_gen: the sha256 of all lines above is {digest}\n"


def test_force_writes_over_no_script_that_is_somebody_elses(tmp_path, capsys):
    save(golden_networks()["small_cnn"], tmp_path / "n")
    (tmp_path / "n/simulate.py").write_text("print('mine')\n")
    assert main(["generate", str(tmp_path / "n"), "--check"]) == 1
    assert f"{tmp_path / 'n/simulate.py'}: was not written by tgenn\n" in capsys.readouterr().err
    assert main(["generate", str(tmp_path / "n"), "--force"]) == 2
    assert "simulate.py: error[T603]" in capsys.readouterr().err
    assert sorted(
        files_below(tmp_path / "n").keys() - document_of(golden_networks()["small_cnn"]).files()
    ) == ["simulate.py"]


def test_a_refused_export_says_what_force_would_lose(tmp_path):
    folder = tmp_path / "n"
    shutil.copytree(GENERATED / "small_cnn", folder)
    (folder / "model.cc").write_text("// mine\n" + (folder / "model.cc").read_text())
    with pytest.raises(TgennError) as refused:
        write_folder(folder, export_files(golden_networks()["small_cnn"]), force=False)
    assert str(refused.value) == (
        f"{folder}: error[T601]: the folder is not empty\n"
        "  hint: choose another one, or give --force to replace the document, weights and scripts in it, "
        "also what was edited by hand: model.cc"
    )


def test_an_unknown_target_is_refused(tmp_path, capsys):
    save(golden_networks()["small_cnn"], tmp_path / "n")
    assert main(["generate", str(tmp_path / "n"), "--target", "pygen"]) == 2
    assert capsys.readouterr().err == (
        "--target: error[T701]: there is no target 'pygen'\n  hint: there are pygenn, cpp, numpy\n"
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
    save(network, tmp_path / "n")
    assert [p.name for p in generate(network, tmp_path / "n")] == ["simulate.py", "model.cc", "reference.py"]
    assert generate(network, tmp_path / "n") == []


def test_check_tells_of_scripts_that_were_made_from_another_document(tmp_path, capsys):
    save(small_cnn(), tmp_path / "n")
    generate(small_cnn(), tmp_path / "n")
    assert main(["check", str(tmp_path / "n")]) == 0
    assert capsys.readouterr().err == ""
    assert main(["set", str(tmp_path / "n"), "dense.neuron.threshold=0.5"]) == 0
    assert "written; tgenn generate writes its scripts" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "n")]) == 0
    note = f"was made from another document: run tgenn generate {tmp_path / 'n'}"
    scripts = ("simulate.py", "model.cc", "reference.py")
    assert capsys.readouterr().err == "".join(f"note: {tmp_path}/n/{s}: {note}\n" for s in scripts)
    assert main(["generate", str(tmp_path / "n")]) == 0
    capsys.readouterr()
    assert main(["check", str(tmp_path / "n")]) == 0
    assert capsys.readouterr().err == ""


def test_check_says_nothing_of_scripts_that_are_not_of_the_document(tmp_path, capsys):
    """Another document beside them, templates that print no hash, files that cannot be read."""
    folder = tmp_path / "n"
    save(small_cnn(), folder)
    generate(small_cnn(), folder)
    variant = (folder / "network.yaml").read_text().replace("timesteps: 7", "timesteps: 9")
    (folder / "variant.yaml").write_text(variant)
    assert main(["check", str(folder / "variant.yaml")]) == 0
    (folder / "network.yaml").write_text(variant)
    for script in ("simulate.py", "model.cc"):
        text = (folder / script).read_text()
        (folder / script).write_text(text.replace(document_of(small_cnn()).sha256, "none"))
    (folder / "reference.py").unlink()
    (folder / "reference.py").symlink_to("/proc/self/mem")
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().err == ""
