"""The golden projects in generated/, byte for byte, and commands on documents."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from golden import GENERATED, golden_networks
from sample_networks import small_cnn

import tgenn_gen
from tgenn_gen import generate, load, save
from tgenn_gen.cli.main import main
from tgenn_gen.codegen import runtime_files
from tgenn_gen.codegen.stamps import SCRIPTS, stamped
from tgenn_gen.document.canonical_text import document_of, document_text
from tgenn_gen.errors import TgennError
from tgenn_gen.project.writing import export_files, write_folder

NAMES = sorted(golden_networks())
EDITED = "was edited by hand"
UNKNOWN = "was edited by hand, or was written by an old tgenn that put no hash at its end"


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
        and p.suffix != ".lock"
        and "_CODE" not in str(p)
        and not {"__pycache__", ".mypy_cache", ".ruff_cache"} & set(p.parts)
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
def test_generated_python_imports_the_standard_library_numpy_and_pygenn_alone(name):
    own = {"connectivity", "tgenn_runtime"}
    for script in ("simulate.py", "connectivity.py", "reference.py"):
        names = set()
        for node in ast.walk(ast.parse((GENERATED / name / script).read_text())):
            names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            names |= {node.module} if isinstance(node, ast.ImportFrom) else set()
        imported = {n.split(".")[0] for n in names} - set(sys.stdlib_module_names)
        assert imported <= own | {"numpy"}, script  # PyGeNN is imported by the runtime
        if script == "reference.py":
            assert not any("genn" in n.removeprefix("tgenn_runtime") for n in names)


def test_the_smallest_network_and_that_of_all_ops_have_short_scripts():
    def lines(name, script):
        return len((GENERATED / name / script).read_text().splitlines())

    assert lines("small_cnn", "simulate.py") <= 170
    assert lines("small_cnn", "reference.py") <= 90
    assert lines("small_cnn", "model.cc") <= 250
    assert lines("every_op", "simulate.py") <= 450


def test_the_runtime_of_a_project_is_the_package_s_byte_for_byte():
    runtime = Path(tgenn_gen.__file__).parent / "runtime"
    found = {p.name: p.read_bytes() for p in (GENERATED / "small_cnn/tgenn_runtime").iterdir() if p.is_file()}
    del found["SHA256SUMS"]
    assert found == {p.name: p.read_bytes() for p in runtime.iterdir() if p.suffix in (".py", ".h")}


def test_generate_writes_what_is_missing_and_check_finds_what_is_stale(tmp_path, capsys):
    folder = tmp_path / "small_cnn"
    shutil.copytree(GENERATED / "small_cnn", folder)
    assert main(["generate", str(folder), "--check"]) == 0
    assert main(["generate", str(folder)]) == 0
    assert capsys.readouterr().out == "all scripts are up to date\n"

    document = folder / "network.yaml"
    document.write_text(document.read_text().replace("threshold: 1.0", "threshold: 0.75", 1))
    assert main(["generate", str(document), "--check"]) == 1
    stale = capsys.readouterr()
    assert stale.out.splitlines() == [
        f"{folder / script}: was generated from another document" for script in SCRIPTS
    ]
    assert stale.err == (
        f"note: tgenn generate {document} writes them again; with --force also those edited by hand\n"
    )
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
        "  hint: move it to another folder\n"
    )
    assert (tmp_path / "n/simulate.py").read_text() == "print('mine')\n"
    assert not (tmp_path / "n/reference.py").exists()


EDITS = {  # what is done to a script: what is said of it
    "a line in the middle": (lambda text: text.replace("import Any", "import Any  # mine", 1), EDITED),
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
    assert capsys.readouterr().out.splitlines() == [
        f"{script}: {said}",
        f"{folder / 'model.cc'}: was edited by hand",
        f"{folder / 'reference.py'}: is missing",
    ]
    assert main(["generate", str(folder)]) == 2
    hint = "  hint: make the change in network.yaml or a template; --force overwrites the edited file\n"
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
    older = script.read_text().replace("ANN activation", "activation").splitlines(keepends=True)[:-1]
    script.write_text(stamped("reference.py", "".join(older)))
    assert main(["generate", str(folder), "--check"]) == 1
    assert capsys.readouterr().out.startswith(
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
    assert f"{tmp_path / 'n/simulate.py'}: was not written by tgenn\n" in capsys.readouterr().out
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
        "  hint: choose another folder, or give `force=True` to replace the document, weights and scripts, "
        "also those that were edited by hand: model.cc"
    )


def test_an_unknown_target_is_refused(tmp_path, capsys):
    save(golden_networks()["small_cnn"], tmp_path / "n")
    assert main(["generate", str(tmp_path / "n"), "--target", "pygen"]) == 2
    assert capsys.readouterr().err == (
        "targets: error[T701]: unknown target 'pygen'\n  hint: use one of pygenn, cpp, numpy\n"
    )


def test_check_and_show_read_a_document(capsys):
    assert main(["check", str(GENERATED / "small_cnn")]) == 0
    assert capsys.readouterr().out == f"{GENERATED / 'small_cnn'}: valid: 4 populations, 140 neurons\n"
    assert main(["show", str(GENERATED / "small_cnn" / "network.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "small_cnn: 7 time steps of 1 ms per example; read out: membrane of classes"
    assert lines[1] == "input image: 7x10x2, constant_current"
    assert lines[3].split() == "population shape neurons synapses weights sparse toeplitz scale".split()
    (total,) = (line for line in lines if line.startswith("total"))
    assert total.split() == "total 140 1,182 1.3 KiB 10.5 KiB 1.8 KiB".split()


def test_generate_writes_into_an_existing_folder_from_python(tmp_path):
    network = golden_networks()["branched"]
    save(network, tmp_path / "n")
    written = [p.relative_to(tmp_path / "n").as_posix() for p in generate(network, tmp_path / "n")]
    assert [name for name in written if not name.startswith("tgenn_runtime/")] == [*SCRIPTS]
    assert generate(network, tmp_path / "n") == []


def test_check_tells_of_scripts_that_were_made_from_another_document(tmp_path, capsys):
    save(small_cnn(), tmp_path / "n")
    generate(small_cnn(), tmp_path / "n")
    assert main(["check", str(tmp_path / "n")]) == 0
    assert capsys.readouterr().err == ""
    assert main(["set", str(tmp_path / "n"), "dense.neuron.threshold=0.5"]) == 0
    assert "written; next: tgenn generate" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "n")]) == 0
    assert capsys.readouterr().err == (
        f"note: {tmp_path / 'n'}: scripts were generated from another document ({', '.join(SCRIPTS)}): "
        f"run tgenn generate {tmp_path / 'n'}\n"
    )
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
    for script in set(SCRIPTS) - {"reference.py"}:
        text = (folder / script).read_text()
        (folder / script).write_text(text.replace(document_of(small_cnn()).sha256, "none"))
    (folder / "reference.py").unlink()
    (folder / "reference.py").symlink_to("/proc/self/mem")
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().err == ""


def test_an_edited_file_of_the_runtime_is_told_and_kept_without_force(tmp_path, capsys):
    folder = tmp_path / "n"
    shutil.copytree(GENERATED / "small_cnn", folder)
    edited = folder / "tgenn_runtime" / "scores.py"
    edited.write_text(edited.read_text() + "# mine\n")
    assert main(["generate", str(folder), "--check"]) == 1
    assert f"{edited}: was edited by hand" in capsys.readouterr().out
    assert main(["generate", str(folder)]) == 2
    assert f"{edited}: error[T606]: was edited by hand" in capsys.readouterr().err
    assert main(["generate", str(folder), "--force"]) == 0
    assert files_below(folder) == files_below(GENERATED / "small_cnn")


def upgraded(monkeypatch):
    """A version of tgenn whose runtime has a module changed, one added and one removed."""
    files = dict(runtime_files.runtime_files())
    files["tgenn_runtime/messages.py"] += b"\nNEW = 1\n"
    files["tgenn_runtime/added.py"] = b"ADDED = 1\n"
    del files["tgenn_runtime/projects.py"], files["tgenn_runtime/SHA256SUMS"]
    files = runtime_files.with_hashes("tgenn_runtime", files)
    monkeypatch.setattr(runtime_files, "runtime_files", lambda: files)
    return files


def test_a_new_version_of_the_package_changes_the_runtime_alone(tmp_path, monkeypatch):
    folder = tmp_path / "n"
    shutil.copytree(GENERATED / "small_cnn", folder)
    git("init", "--quiet", ".", folder=folder)
    git("add", ".", folder=folder)
    git("-c", "user.name=n", "-c", "user.email=n@n", "commit", "--quiet", "-m", "first", folder=folder)
    new = upgraded(monkeypatch)
    assert main(["generate", str(folder)]) == 0
    git("add", "--all", folder=folder)
    assert git("diff", "--cached", "--name-status", folder=folder).split() == [
        *("M", "tgenn_runtime/SHA256SUMS", "A", "tgenn_runtime/added.py"),
        *("M", "tgenn_runtime/messages.py", "D", "tgenn_runtime/projects.py"),
    ]
    assert {n: c for n, c in files_below(folder).items() if n.startswith("tgenn_runtime/")} == new
    assert main(["generate", str(folder), "--check"]) == 0


def test_an_edit_of_a_threshold_changes_one_line_of_each_script_and_the_hashes(tmp_path):
    folder = tmp_path / "n"
    shutil.copytree(GENERATED / "small_cnn", folder)
    git("init", "--quiet", ".", folder=folder)
    git("add", ".", folder=folder)
    assert main(["set", str(folder), "dense.neuron.threshold=0.5"]) == 0
    assert main(["generate", str(folder)]) == 0
    changed = set(git("diff", "--name-only", folder=folder).split())
    assert changed == {"network.yaml", *SCRIPTS}
    for script in SCRIPTS:
        diff = git("diff", "--unified=0", script, folder=folder).splitlines()
        lines = [line for line in diff if line.startswith("+") and not line.startswith("+++")]
        hashes = [line for line in lines if re.search("[0-9a-f]{64}", line)]
        network = [line for line in lines if line not in hashes]
        assert len(hashes) == 2, script
        assert len(network) == (0 if script.startswith("connectivity") else 1), (script, network)


def test_saving_a_network_again_leaves_its_scripts_and_their_runtime(tmp_path):
    save(small_cnn(), tmp_path / "n")
    generate(small_cnn(), tmp_path / "n")
    before = files_below(tmp_path / "n")
    save(small_cnn(), tmp_path / "n", force=True)
    assert files_below(tmp_path / "n") == before


def git(*arguments, folder):
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
