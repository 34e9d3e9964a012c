"""Simulates a network in NumPy, or on GeNN with the scripts that are generated for it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tgenn_gen.document.canonical_text import document_of
from tgenn_gen.engine.simulation import checked, simulate_in_numpy
from tgenn_gen.errors import MissingEngineError, TgennError
from tgenn_gen.files.file_writing import replace_files
from tgenn_gen.network.model import Network
from tgenn_gen.project.writing import project_files
from tgenn_gen.runtime.projects import load_script
from tgenn_gen.runtime.results import Result

ENGINES = ("numpy", "genn")


def simulate(
    network: Network,
    x: np.ndarray | Mapping[str, np.ndarray],
    *,
    engine: str = "numpy",
    timesteps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    record: Sequence[str] | None = (),
    record_v: Sequence[str] = (),
    record_i: Sequence[str] = (),
    neurons: Sequence[int] | np.ndarray | None = None,
) -> Result:
    """Simulate the network on examples.

    Args:
        network: The network. It need not be saved.
        x: Examples `(n, *input shape)`, or `{input: examples}` with an equal number for each input. A
            missing channel axis of length 1 is added.
        engine: "numpy"; or "genn": the generated scripts, built in a temporary folder. The next call with
            the same network reuses the build.
        timesteps: Time steps for each example. None: those of the network.
        batch_size: Examples that are simulated at once, which limits the memory. None: as many as fit.
        seed: Of random numbers (Poisson spikes, random initial V), 0 to 2^32 - 1.
        record: Populations whose spikes are recorded. None: all populations and inputs that spike.
        record_v: Populations whose membrane potential is recorded, after each step.
        record_i: Populations whose input current is recorded, of each step. `maximum` neurons have none, nor
            have networks in the few-spike code.
        neurons: The numbers of the neurons of these populations whose V and I are kept, such as `range(10)`,
            in C order of the population's shape. None: all.

    Returns:
        Outputs, spike counts and what was recorded. Where `Result` says "neurons", these arrays have the
            axes of the population's shape; V and I only where `neurons` is None.

    Raises:
        TgennError: T2xx the network is invalid, T503 an argument does not fit it.
        MissingEngineError: PyGeNN is not installed, for engine "genn".
    """
    if engine not in ENGINES:
        raise TgennError.at("simulate", "T503", f"engine is {engine!r}, expected {' or '.join(ENGINES)}")
    options: dict[str, Any] = {"timesteps": timesteps, "batch_size": batch_size, "seed": seed}
    recorded: dict[str, Any] = {"record": record, "record_v": record_v, "record_i": record_i}
    recorded["neurons"] = neurons
    if engine == "numpy":
        return simulate_in_numpy(network, x, **options, **recorded).shaped(network.shapes)
    examples, steps = checked("simulate", network, x, **options, **recorded)
    files = project_files(document_of(network), ("pygenn",))
    try:
        built_for = steps if network.few_spike else None
        net = _on_genn(tuple(files.items()), built_for, batch_size, bool(len(record_i)))
        net.seed = seed
        result = net.run(examples, timesteps=steps, **recorded)
    except ValueError as error:  # RunError, of the project's own runtime
        raise TgennError.at("simulate", "T503", str(error)) from None
    except ImportError as error:
        raise MissingEngineError(str(error)) from None
    return result.shaped(network.shapes)


@lru_cache(maxsize=4)
def _on_genn(
    files: tuple[tuple[str, bytes], ...], timesteps: int | None, batch_size: int | None, keep_i: bool
) -> Any:
    """The network that simulate.py of these files builds."""
    folder = tempfile.TemporaryDirectory(prefix="tgenn_")
    replace_files(Path(folder.name), dict(files))
    options = {"timesteps": timesteps, "batch_size": batch_size, "keep_i": keep_i}
    net = load_script(Path(folder.name) / "simulate.py").build(**options)
    net.temporary_folder = folder  # which is removed with it
    net.load()  # here, so that what cannot be built is not kept
    return net
