"""The house: imports go downward, every kind is complete, commands start fast and without TensorFlow."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from golden import GENERATED, golden_networks

from tgenn_gen.codegen.stamps import SCRIPTS
from tgenn_gen.document.schema_check import schema
from tgenn_gen.keras_reader.supported_layers import LAYERS
from tgenn_gen.network.encodings import ENCODINGS
from tgenn_gen.network.neurons import NEURONS
from tgenn_gen.network.ops import OPS
from tgenn_gen.network.readouts import READOUTS
from tgenn_gen.runtime import kernels, neuron_updates, readout_functions

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tgenn_gen"
REFERENCE = ROOT / "docs" / "reference"

# From the bottom up: a folder, or a module beside the folders, imports only those in the rows above its own.
ROWS = """
    errors runtime
    files
    network
    document keras_reader
    engine codegen diff editing
    project
    conversion
    analysis
    reporting
    sweep
    cli
    __main__
"""

# Methods of Network are for users: what they call needs a whole network, and is imported when it is called.
LATE = {
    PACKAGE / "network" / "model.py": {"network.graph_drawing", "network.summary", "editing.network_values"}
}


@cache
def modules() -> dict[str, Path]:
    """All modules and packages by their dotted names within tgenn_gen, but for tgenn_gen itself."""
    paths = {p.relative_to(PACKAGE).with_suffix("").as_posix(): p for p in PACKAGE.rglob("*.py")}
    del paths["__init__"]
    return {name.removesuffix("/__init__").replace("/", "."): path for name, path in paths.items()}


@cache
def imported(path: Path) -> set[str]:
    """The package's modules that a module imports, wherever it does."""
    found = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if getattr(node, "module", None) in {f"tgenn_gen.{name}" for name in LATE.get(path, ())}:
            assert node not in tree.body, f"{path} imports {node.module} at its top"
            continue
        if isinstance(node, ast.ImportFrom) and node.level:  # tgenn_runtime has other names in projects
            assert node.level == 1 and path.parent.name == "runtime", f"{path} has a relative import"
            found |= {f"runtime.{node.module}"} if node.module else set()
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tgenn_gen":
            assert node.module != "tgenn_gen", f"{path} imports the face of the package"
            base = node.module.removeprefix("tgenn_gen").removeprefix(".")
            names = [f"{base}.{a.name}".removeprefix(".") for a in node.names]
            found |= {name if name in modules() else base for name in names}
    return found - {""}


def listed(folder: str) -> list[str]:
    """What a folder's __init__ lists, in its order."""
    lines = ast.get_docstring(ast.parse(modules()[folder].read_text())).splitlines()
    return [line.split()[0] for line in lines if line.startswith("    ")]


def test_a_folder_imports_only_folders_below_it():
    level = {name: number for number, row in enumerate(ROWS.strip().splitlines()) for name in row.split()}
    assert set(level) == {name.split(".")[0] for name in modules()}
    for name, path in modules().items():
        own = name.split(".")[0]
        for other in {i.split(".")[0] for i in imported(path)} - {own}:
            assert level[other] < level[own], f"{name} imports {other}"


@pytest.mark.parametrize("folder", sorted({p.rpartition(".")[0] for p in modules()} - {"", "cli.commands"}))
def test_in_a_folder_a_module_imports_only_those_above_it_in_the_list_of_its_init(folder):
    inside = {
        name.removeprefix(f"{folder}."): p for name, p in modules().items() if name.startswith(folder + ".")
    }
    order = listed(folder)
    assert sorted(order) == sorted({name.split(".")[0] for name in inside})
    for name, path in inside.items():
        own = name.split(".")[0]
        used = {
            i.removeprefix(f"{folder}.").split(".")[0] for i in imported(path) if i.startswith(folder + ".")
        }
        upward = used - {own} - set(order[: order.index(own)])
        assert not upward, f"{folder}.{name} imports {sorted(upward)}"


def test_no_command_imports_another():
    for name, path in modules().items():
        if name.startswith("cli.commands."):
            assert not [i for i in imported(path) if i.startswith("cli.commands")], name


def test_folders_are_small_and_no_two_modules_or_classes_have_one_name():
    assert len([*PACKAGE.glob("*.py")]) <= 4
    for folder in {p.parent for p in modules().values()}:
        assert len([*folder.glob("*.py")]) <= 29, folder
    names = Counter(name.split(".")[-1] for name in modules())
    assert not [name for name, count in names.items() if count > 1]
    classes = Counter(
        node.name
        for path in modules().values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert not [name for name, count in classes.items() if count > 1]


def test_tests_stand_in_folders_of_the_names_of_the_package():
    folders = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders - {"benchmarks", "support"} == {name for name in ROWS.split() if (PACKAGE / name).is_dir()}


def test_one_module_imports_keras_and_only_when_called():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            heavy = {n.split(".")[0] for n in names} & {"keras", "tensorflow", "tf_keras"}
            assert not heavy or name == "keras_reader.libraries", f"{name} imports {heavy}"


def test_run_time_modules_import_the_standard_library_numpy_and_where_it_is_needed_pygenn_and_matplotlib():
    allowed = {
        "genn_building": {"pygenn"},
        "genn_network": {"pygenn"},
        "raster": {"matplotlib"},
        "mpi_ranks": {"mpi4py"},
        "numpy_network": {"threadpoolctl"},  # if it is there
    }
    for path in (PACKAGE / "runtime").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            outside = {n.split(".")[0] for n in names} - set(sys.stdlib_module_names) - {"numpy"}
            assert outside <= allowed.get(path.stem, set()), f"{path.name} imports {outside}"


@pytest.mark.parametrize(("kinds", "prefix"), [(OPS, "op_"), (NEURONS, "neuron_"), (ENCODINGS, "encoding_")])
def test_every_kind_has_a_module_a_schema_fragment_a_golden_case_and_a_row_in_the_docs(kinds, prefix):
    folder = {"op_": "ops", "neuron_": "neurons", "encoding_": "encodings"}[prefix]
    files = {p.stem for p in (PACKAGE / "network" / folder).glob("*.py")}
    files -= {"__init__", "linear_map", "neuron", "encoding", "plugin_neuron"}
    files = {name.removesuffix("_input") for name in files}
    fragments = {name.removeprefix(prefix) for name in schema()["$defs"] if name.startswith(prefix)}
    key = "op" if prefix == "op_" else "kind"
    golden = " ".join((GENERATED / name / "network.yaml").read_text() for name in golden_networks())
    page = (REFERENCE / "document.md").read_text()
    assert set(kinds) == files == fragments
    for kind in kinds:
        assert f"{key}: {kind}" in golden, f"no golden network has {key}: {kind}"
        assert f"| `{kind}` |" in page, f"docs/reference/document.md has no row for {kind}"


def test_every_readout_has_a_row_in_the_docs():
    page = (REFERENCE / "document.md").read_text()
    assert not [kind for kind in READOUTS if f"| `{kind}` |" not in page]


def test_the_schema_lists_every_kind_where_it_dispatches():
    defs = schema()["$defs"]
    assert defs["op"]["properties"]["op"]["enum"] == sorted(OPS)
    assert defs["population"]["properties"]["neuron"]["properties"]["kind"]["enum"] == sorted(NEURONS)
    assert defs["input"]["properties"]["encoding"]["properties"]["kind"]["enum"] == sorted(ENCODINGS)


def test_every_target_has_a_template_and_every_supported_layer_stands_in_the_docs():
    templates = {p.name for p in (ROOT / "templates").iterdir()}
    assert {f"{script}.j2" for script in SCRIPTS} <= templates
    page = (REFERENCE / "layers.md").read_text()
    for layer in LAYERS:
        assert layer in page, layer


def test_what_plans_call_is_there_in_cpp_under_the_same_name():
    called = [f for f in vars(kernels).values() if inspect.isfunction(f)]
    called += [
        neuron_updates.rate_weights,
        neuron_updates.few_spike_weights,
        readout_functions.mean_per_step,
        readout_functions.earliest,
    ]
    header = (PACKAGE / "runtime" / "tgenn_runtime.h").read_text()
    for function in called:
        assert re.search(rf"\b(Floats|Doubles) {function.__name__}\(", header), function.__name__


WITHOUT_TENSORFLOW = """
import contextlib, io, json, sys
for name in ("tensorflow", "keras", "h5py", "sklearn", "pygenn"):
    sys.modules[name] = None
from tgenn_gen.cli.main import export_main, main

for call in json.load(sys.stdin):
    said, run = io.StringIO(), export_main if call[0] == "export" else main
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            status = run(call[1:] if run is export_main else call)
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, said.getvalue()]))
"""


def test_commands_on_documents_work_without_tensorflow(tmp_path):
    golden, new, model = str(GENERATED / "small_cnn"), str(tmp_path / "new"), tmp_path / "model.keras"
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        config = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": []}}
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", "")
    expected = [
        (["check", golden], 0, "valid: 4 populations"),
        (["show", golden], 0, "small_cnn: 7 time steps"),
        (["show", f"{golden}/weights/conv1.bias.npy"], 0, "shape       [3]"),
        (["diff", golden, golden], 0, "no differences"),
        (["generate", "--check", golden], 0, ""),
        (["fmt", "--check", golden], 0, "all values are in their canonical form"),
        (["set", golden, "name=small_cnn"], 0, "has these values already"),
        (["lock", golden], 0, "is up to date with the weights"),
        (["--help"], 0, "usage: tgenn"),
        (["export", "--help"], 0, "usage: tgenn export"),
        (["demo", "--output", new], 3, "reading a Keras model needs TensorFlow"),
        (["export", str(model), "--normalize", "none", "--output", new], 3, "pip install 'tgenn-gen[keras]'"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW],
        input=json.dumps([call for call, _, _ in expected]),
        capture_output=True,
        text=True,
        check=True,
    )
    for (call, status, output), line in zip(expected, done.stdout.splitlines(), strict=True):
        found, said = json.loads(line)
        assert found == status and output in said, (call, said)
    assert not (tmp_path / "new").exists()


def test_help_is_there_in_three_tenths_of_a_second():
    """Of the processor, whatever the machine does besides; the best of five."""
    times = []
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, "-m", "tgenn_gen", "--help"], capture_output=True, check=True)
        after = os.times()
        times.append(sum(after[2:4]) - sum(before[2:4]))  # children's
    assert min(times) < 0.3


def test_no_file_is_too_long_to_have_one_reason_to_exist():
    templates = [p for p in (ROOT / "templates").rglob("*") if p.is_file()]
    for path in [*PACKAGE.rglob("*.py"), *templates]:
        assert len(path.read_text().splitlines()) <= 450, path


def test_the_version_is_the_same_in_the_package_the_project_and_the_citation():
    version = re.search(r'__version__ = "(.+)"', (ROOT / "tgenn_gen/runtime/__init__.py").read_text())[1]
    assert f'\nversion = "{version}"\n' in (ROOT / "pyproject.toml").read_text()
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_test_files_that_begin_exist(pytestconfig):
    conftest = pytestconfig.pluginmanager.get_plugin(str(ROOT / "tests/conftest.py"))
    assert all((ROOT / "tests" / f"{name}.py").exists() for name in conftest.LONGEST)
