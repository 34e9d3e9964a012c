"""tgenn demo: a small CNN on scikit-learn's digits (real data, in its wheel), from training to spikes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.cli.console import inform
from tgenn_gen.conversion.convert import convert
from tgenn_gen.errors import MissingEngineError, TgennError
from tgenn_gen.keras_reader.libraries import import_keras
from tgenn_gen.network.model import Network
from tgenn_gen.project.writing import export_files, require_writable_target, write_folder
from tgenn_gen.reporting.page import report

EPOCHS = 20
REPORT = "report.html"
TEST_EXAMPLES = 360


def run_demo(folder: Path) -> None:
    """Train, export, generate and run in `folder`, which must be new; print a table of what came of it.

    Raises TgennError (T601) and MissingEngineError.
    """
    if folder.is_dir() and any(folder.iterdir()):
        hint = "give another one with --output, or remove it"
        raise TgennError.at(folder, "T601", "the folder is not empty", hint)
    require_writable_target(folder, force=False)
    keras = import_keras()
    if find_spec("sklearn") is None:
        raise MissingEngineError("the demo's data comes with scikit-learn: pip install 'tgenn-gen[demo]'")
    started = time.perf_counter()
    x_train, y_train, x_test, y_test = _digits()
    inform(f"training a CNN on {len(x_train)} digits, 8 x 8 pixels ...")
    model, accuracy = _train(keras, x_train, y_train, x_test, y_test)
    inform("converting it with the training examples as calibration data ...")
    network = convert(model, x_train, name="digits")

    target = folder / "digits"
    files = {f"digits/{name}": content for name, content in export_files(network).items()}
    files["train.npz"], files["test.npz"] = _npz(x_train, y_train), _npz(x_test, y_test)
    write_folder(folder, files, force=False)
    model.save(folder / "digits.keras")

    script = "simulate.py" if _imports("pygenn") else "reference.py"
    inform(f"running {target / script} ...")
    result = _run(target / script, folder)
    inform(f"writing {folder / REPORT} ...")
    report(network, folder / REPORT, x_test, y_test, model=model)
    _print_table(network, folder, script, accuracy, result, time.perf_counter() - started)


def _npz(x: np.ndarray, y: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=x, y=y)
    return buffer.getvalue()


def _imports(module: str) -> bool:
    """Whether a module can be imported, tried in another process."""
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False)
    return done.returncode == 0


def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and test examples, float32 (n, 8, 8, 1) in 0..1, and labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    x, y = (data.images[..., None] / 16).astype(np.float32), data.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[:TEST_EXAMPLES], order[TEST_EXAMPLES:]
    return x[train], y[train], x[test], y[test]


def _train(
    keras: Any, x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> tuple[Any, float]:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.AveragePooling2D(2, name="pool1"),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.3, name="dropout"),
            layers.Dense(10, activation="softmax", name="classes"),
        ],
        name="digits",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=EPOCHS, batch_size=64, verbose=0)
    return model, float(model.evaluate(x_test, y_test, verbose=0)[1])


def _run(script: Path, folder: Path) -> dict[str, Any]:
    """Run a generated script as a person would; what it wrote with --json."""
    report = folder / "result.json"
    command = [sys.executable, str(script), "--data", str(folder / "test.npz"), "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise MissingEngineError(f"{script} ended with status {done.returncode}: {lines[-1]}")
    result: dict[str, Any] = json.loads(report.read_text())
    return result


def _spikes(network: Network, result: dict[str, Any]) -> str:
    """The number of spikes, and its share of all neurons and steps, without which it says little."""
    spikes = sum(result["spikes_per_example"].values())
    neurons = sum(population.size for population in network.populations if population.neuron.spikes)
    share = spikes / (neurons * result["timesteps"])
    return f"{spikes:.0f}: {100 * share:.1f} % of {neurons} neurons x {result['timesteps']} time steps"


def _earlier(per_step: list[float | None]) -> Iterator[tuple[str, str]]:
    """A row of accuracies after fewer steps, where there are any: not with the few-spike code."""
    early = [100 * a for a in per_step[3:8:4] if a is not None]
    if len(early) == 2:
        yield "  after 4, 8 steps", f"{early[0]:.2f} %, {early[1]:.2f} %"


def _print_table(
    network: Network, folder: Path, script: str, accuracy: float, result: dict[str, Any], seconds: float
) -> None:
    engine = "GeNN" if script == "simulate.py" else "NumPy (PyGeNN cannot be imported)"
    rows = [
        ("ANN accuracy", f"{100 * accuracy:.2f} % of {result['n']} test digits"),
        ("SNN accuracy", f"{100 * result['accuracy']:.2f} % after {result['timesteps']} time steps"),
        *_earlier(result["accuracy_per_step"]),
        ("spikes per example", _spikes(network, result)),
        ("engine", f"{engine}, backend {result['backend']}, {result['examples_per_second']:.0f} examples/s"),
        ("files written", f"{folder / 'digits'}: network.yaml, weights/ ({len(network.tensors)} files),"),
        ("", "simulate.py (PyGeNN), model.cc (GeNN, C++), reference.py (NumPy)"),
        ("report", f"{folder / REPORT}: open it in a browser. Accuracy against steps and"),
        ("", "operations, agreement with the ANN layer by layer, energy, slow and wrong examples"),
        ("time", f"{seconds:.0f} s in all"),
    ]
    print()
    for name, value in rows:
        print(f"{name:20} {value}")
    inform("")
    inform("what to try next:")
    inform(f"  less {folder / 'digits' / 'network.yaml'}")
    inform(f"  tgenn show {folder / 'digits'}")
    inform(f"  python {folder / 'digits' / script} --data {folder / 'test.npz'} --timesteps 4")
    inform(f"  edit a threshold in network.yaml, then: tgenn generate {folder / 'digits'}")
