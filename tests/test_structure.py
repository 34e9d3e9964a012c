"""The house: imports go downward, every kind is complete, commands start fast and without TensorFlow."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from golden import GENERATED, golden_networks

from tgenn_gen.encodings import ENCODINGS
from tgenn_gen.neurons import NEURONS
from tgenn_gen.ops import OPS
from tgenn_gen.readouts import READOUTS
from tgenn_gen.runtime import kernels, neurons
from tgenn_gen.schema_check import schema
from tgenn_gen.stamps import TARGETS
from tgenn_gen.supported import LAYERS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tgenn_gen"

# From the bottom up: a module may import those above it in this list.
ORDER = """
    errors folders numbers resources source stamps git comments paths runtime.data archives tensors
    genn_code keras_model identifiers
    runtime.linear_maps runtime.kernels kinds spec runtime.random_numbers runtime.encodings
    runtime.neurons runtime.readouts runtime.building runtime.command_line
    ops.checks ops.sliding ops.one_axis ops.axes ops.mixing ops.flatten ops.reshape ops.scale ops.dense
    ops.avg_pool2d ops.conv2d ops.depthwise_conv2d ops.conv2d_transpose ops.avg_pool1d ops.conv1d
    ops.depthwise_conv1d ops.conv1d_transpose ops.windows ops.pad ops.crop ops.up_sampling ops.permute ops
    neurons.few_spike neurons.integrate neurons.integrate_and_fire neurons.maximum
    neurons.signed_integrate_and_fire neurons
    encodings.constant_current encodings.integrate_and_fire encodings.poisson encodings.spikes encodings
    readouts schema_check weight_files array_summary names meaning intact document revisions
    network_diff network_diff_report reference
    calibration chains signals methods options supported max_pooling walk fold layer_table
    activations layerwise normalize corrections method_check
    keras_known hdf5_file keras_file keras_names keras_graph keras_import conversion
    connectivity neuron_models plan source_text lower template_files render writer git_setup
    formatting editing locking evaluation evaluation_report table example_files demo
    commands.console commands.arguments commands.check commands.fmt commands.set_value commands.lock
    commands.layers commands.generate commands.show commands.diff commands.git_setup commands.evaluate
    commands.data commands.plan commands.templates commands.migrate commands.demo commands.export commands
    cli __main__
""".split()


def modules() -> dict[str, Path]:
    paths = {
        p.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): p for p in PACKAGE.rglob("*.py")
    }
    return {name.removesuffix(".__init__"): path for name, path in paths.items() if path.stat().st_size}


def imported(tree: ast.Module) -> set[str]:
    """The package's modules that a module imports when it is imported itself."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tgenn_gen":
            base = node.module.removeprefix("tgenn_gen").removeprefix(".")
            names = [f"{base}.{a.name}".removeprefix(".") for a in node.names]
            found |= {name if name in modules() else base for name in names}
    return found - {""}


def test_imports_go_strictly_downward():
    assert sorted(ORDER) == sorted(set(modules()) - {"__init__", "runtime"})
    for name in ORDER:
        below = set(ORDER[: ORDER.index(name)])
        upward = imported(ast.parse(modules()[name].read_text())) - below
        assert not upward, f"{name} imports {sorted(upward)}"


def test_only_keras_import_imports_keras_and_only_when_called():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            heavy = {n.split(".")[0] for n in names} & {"keras", "tensorflow", "tf_keras"}
            assert not heavy or name == "keras_import", f"{name} imports {heavy}"


def test_run_time_modules_import_the_standard_library_and_numpy_alone():
    for path in (PACKAGE / "runtime").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names = [n for n in names if not n.startswith("tgenn_gen.runtime.")]
            outside = (
                {n.split(".")[0] for n in names} - set(sys.stdlib_module_names) - {"numpy", "matplotlib"}
            )
            assert not outside, f"{path.name} imports {outside}"


@pytest.mark.parametrize(("kinds", "prefix"), [(OPS, "op_"), (NEURONS, "neuron_"), (ENCODINGS, "encoding_")])
def test_every_kind_has_a_module_a_schema_fragment_a_golden_case_and_a_row_in_the_readme(kinds, prefix):
    folder = {"op_": "ops", "neuron_": "neurons", "encoding_": "encodings"}[prefix]
    files = {p.stem for p in (PACKAGE / folder).glob("*.py")} - {
        "__init__",
        "checks",
        "sliding",
        "one_axis",
        "axes",
        "mixing",
    }
    fragments = {name.removeprefix(prefix) for name in schema()["$defs"] if name.startswith(prefix)}
    key = "op" if prefix == "op_" else "kind"
    golden = " ".join((GENERATED / name / "network.yaml").read_text() for name in golden_networks())
    readme = (ROOT / "README.md").read_text()
    assert set(kinds) == files == fragments
    for kind in kinds:
        assert f"{key}: {kind}" in golden, f"no golden network has {key}: {kind}"
        assert f"| `{kind}` |" in readme, f"README.md has no row for {kind}"


def test_the_schema_lists_every_kind_where_it_dispatches():
    defs = schema()["$defs"]
    assert defs["op"]["properties"]["op"]["enum"] == sorted(OPS)
    assert defs["population"]["properties"]["neuron"]["properties"]["kind"]["enum"] == sorted(NEURONS)
    assert defs["input"]["properties"]["encoding"]["properties"]["kind"]["enum"] == sorted(ENCODINGS)


def test_every_target_has_a_template_and_every_supported_layer_stands_in_the_readme():
    templates = {p.name for p in (ROOT / "templates").iterdir()}
    assert {f"{script}.j2" for script in TARGETS.values()} <= templates
    readme = (ROOT / "README.md").read_text()
    for layer in LAYERS:
        assert layer in readme, layer


def test_what_plans_call_is_there_in_cpp_under_the_same_name():
    called = [f for f in vars(kernels).values() if inspect.isfunction(f)]
    called += [neurons.rate_weights, neurons.few_spike_weights, *(r.output for r in READOUTS.values())]
    headers = " ".join(p.read_text() for p in (ROOT / "templates" / "cpp").glob("*.h"))
    for function in called:
        assert re.search(rf"\b(Floats|Doubles) {function.__name__}\(", headers), function.__name__


WITHOUT_TENSORFLOW = (
    "import sys\n"
    "for name in ('tensorflow', 'keras', 'h5py', 'sklearn', 'pygenn'): sys.modules[name] = None\n"
    "from tgenn_gen.cli import main, export_main\n"
)


@pytest.mark.parametrize(
    ("call", "status", "output"),
    [
        ("main(['check', {golden!r}])", 0, "fine: 4 populations"),
        ("main(['show', {golden!r}])", 0, "small_cnn: 7 steps"),
        ("main(['show', {golden!r} + '/weights/conv1.bias.npy'])", 0, "shape       [3]"),
        ("main(['diff', {golden!r}, {golden!r}])", 0, "no differences"),
        ("main(['generate', '--check', {golden!r}])", 0, ""),
        ("main(['fmt', '--check', {golden!r}])", 0, "is in its canonical form"),
        ("main(['set', {golden!r}, 'name=small_cnn'])", 0, "has these values already"),
        ("main(['lock', {golden!r}])", 0, "says what the weights are"),
        ("main(['--help'])", 0, "usage: tgenn"),
        ("export_main(['--help'])", 0, "usage: tgenn-export"),
        ("main(['demo', '--output', {new!r}])", 3, "reading a Keras model needs TensorFlow"),
        (
            "export_main([{model!r}, '--normalize', 'none', '--output', {new!r}])",
            3,
            "pip install 'tgenn-gen[keras]'",
        ),
    ],
)
def test_commands_on_documents_work_without_tensorflow(tmp_path, call, status, output):
    import zipfile

    model = tmp_path / "model.keras"
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        config = '{"name": "m", "layers": []}'
        archive.writestr(
            "config.json", f'{{"module": "keras", "class_name": "Sequential", "config": {config}}}'
        )
    code = call.format(golden=str(GENERATED / "small_cnn"), new=str(tmp_path / "new"), model=str(model))
    done = subprocess.run(
        [sys.executable, "-c", f"{WITHOUT_TENSORFLOW}sys.exit({code})"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert output in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


def test_help_is_there_in_three_tenths_of_a_second():
    """The best of five: what the machine does besides is not the command's."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "tgenn_gen", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.3


def test_no_file_is_too_long_to_have_one_reason_to_exist():
    templates = [p for p in (ROOT / "templates").rglob("*") if p.is_file()]
    for path in [*PACKAGE.rglob("*.py"), *templates]:
        assert len(path.read_text().splitlines()) <= 450, path
