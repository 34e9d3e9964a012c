"""GeNN models, and how they are built: optimized, without output, again where an earlier build is damaged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from .written_files import lock_file

try:
    import pygenn
    from pygenn.genn_model import backend_modules
except ImportError as error:
    message = (
        f"PyGeNN cannot be imported ({error}): "
        "install it as https://genn-team.github.io/genn/documentation/5/installation.html describes, "
        "or use reference.py, which gives the same results without it."
    )
    if Path(sys.argv[0]).name == "simulate.py":
        print(f"simulate.py: error: {message}", file=sys.stderr)
        raise SystemExit(3) from None
    raise ImportError(message) from None

__all__ = ["GeNNModel", "backend_modules", "build_and_load", "build_folder", "pygenn", "values_of"]


LATE = ("timesteps", "depth", "delay")  # parameters of synapses with a delay


class GeNNModel(pygenn.GeNNModel):  # type: ignore[misc]
    """A pygenn.GeNNModel whose code does not contain the values of neurons' parameters.

    They are dynamic parameters in GeNN, which are set after loading. GeNN builds a model again where a value
    of a parameter changes, so it gets 1 for each. `depth` keeps its value, and so do all parameters but
    `timesteps` of models with derived parameters, which GeNN computes from them when it builds.

    keep_i       whether populations keep the input current of each step, in a variable recorded_I
    parameters   {population: {parameter: value}} of the dynamic ones
    timesteps    time steps per example, once they are set
    """

    def __init__(self, *arguments: Any, keep_i: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.keep_i, self.timesteps = keep_i, 0
        self.parameters: dict[str, dict[str, float]] = {}
        self._keeping: dict[Any, Any] = {}  # by the neuron model without

    def add_neuron_population(  # type: ignore[no-untyped-def]
        self, pop_name, num_neurons, neuron, params: Mapping[str, float] = {}, vars: Mapping[str, Any] = {}
    ):
        if self.keep_i and not isinstance(neuron, str) and has_current(neuron.get_sim_code()):
            neuron = self._keeping.setdefault(neuron, keeping_current(neuron))
            vars = {**vars, "recorded_I": 0.0}
        fixed = isinstance(neuron, str) or bool(neuron.get_derived_params())
        constant = {*params} - {"timesteps"} if fixed else {"depth"}
        dynamic = {name: value for name, value in params.items() if name not in constant}
        given = {**params, **dict.fromkeys(dynamic, 1)}
        group = super().add_neuron_population(pop_name, num_neurons, neuron, given, vars)
        for name in dynamic:
            group.set_param_dynamic(name)
        self.parameters[pop_name] = dynamic
        return group

    def add_synapse_population(self, *arguments: Any, **options: Any) -> Any:
        synapses = super().add_synapse_population(*arguments, **options)
        for name in LATE if is_late(synapses) else ():
            synapses.set_wu_param_dynamic(name)
        return synapses

    def set_timesteps(self, timesteps: int) -> None:
        """Set the number of time steps per example, in all that has a clock."""
        self.timesteps = timesteps
        for group in self.neuron_populations.values():
            if "timesteps" in group.params:
                group.set_dynamic_param_value("timesteps", timesteps)
        for synapses in filter(is_late, self.synapse_populations.values()):
            depth = int(synapses.trg.params["depth"].value)
            for name, value in zip(LATE, (timesteps, depth, delay_of(synapses))):
                synapses.set_dynamic_param_value(name, value)

    def begin_example(self, group: Any, number: int) -> None:
        """Before a population's local step 0 in an example of a stream: V starts anew in the first one alone.

        Spikes from before the first one are ignored, those of an example before are not.
        """
        if "fresh" in group.params:
            group.set_dynamic_param_value("fresh", float(number == 0))
        for synapses in filter(is_late, self.synapse_populations.values()):
            if synapses.trg is group:
                before = max(0, delay_of(synapses) - number * self.timesteps)  # steps with spikes to ignore
                synapses.set_dynamic_param_value("delay", before)


def delay_of(synapses: Any) -> int:
    """The delay of late synapses in local steps."""
    source, depth = (int(g.params["depth"].value) for g in (synapses.src, synapses.trg))
    # a spike takes 1 step and the axonal delay; depth - source steps bring it to the same local step
    return int(synapses.axonal_delay_steps) + 1 - (depth - source)


def is_late(synapses: Any) -> bool:
    """Whether synapses have a delay."""
    return {*LATE} <= {param.name for param in synapses.wu_initialiser.snippet.get_params()}


def has_current(sim_code: str) -> bool:
    """Whether a neuron model has a current I; `maximum` has several spike trains in its place, as digits."""
    return "const scalar I = " in sim_code and "int digits = " not in sim_code


def keeping_current(neuron: Any) -> Any:
    """The same neuron model with a variable recorded_I, which keeps the input current of each step."""
    variable = pygenn.create_neuron_model("recorded_I", vars=[("recorded_I", "scalar")])

    class Keeping(type(neuron)):  # type: ignore[misc]
        def get_vars(self) -> list[Any]:
            return [*super().get_vars(), *variable.get_vars()]

        def get_sim_code(self) -> str:
            return f"{super().get_sim_code()}\nrecorded_I = I;\n"

    return Keeping()


def values_of(group: Any, variable: str) -> np.ndarray:
    """A variable's present values, (batch, neurons): a view that the next time step changes."""
    group.vars[variable].pull_from_device()
    values: np.ndarray = group.vars[variable].current_view.reshape(-1, group.num_neurons)
    return values


def build_folder(project: Path, chosen: str | Path | None) -> Path:
    """The folder for GeNN's code: the chosen one, the project's, or a cache folder if that is read-only."""
    if chosen is not None:
        return Path(chosen).resolve()
    if os.access(project, os.W_OK):
        return project
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not os.access(cache if cache.exists() else cache.parent, os.W_OK):
        cache = Path(tempfile.gettempdir())
    return cache / "tgenn_runtime" / f"{project.name}_{hashlib.sha256(bytes(project)).hexdigest()[:12]}"


def build_and_load(model: Any, folder: Path) -> None:
    """Build and load a GeNN model in `folder`/<model's name>_CODE.

    An earlier build in that folder is used only if it is complete: a damaged library can crash the process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    code = folder / f"{model.name}_CODE"
    whole = code / "fingerprint"  # written after a build that could be loaded
    lock = one_at_a_time(folder / f"{model.name}_CODE.lock")
    with tempfile.TemporaryFile() as printed, lock, optimized(), stdout_to(printed):
        if code.exists() and not (whole.exists() and whole.read_text() == fingerprint(code)):
            shutil.rmtree(code)
        try:
            model.build(str(folder))
            model.load()
        except Exception as error:
            shutil.rmtree(code, ignore_errors=True)
            printed.seek(0)
            said = re.findall(r"ERROR .*?@\d+\] (.*)", printed.read().decode(errors="replace"))
            raise RuntimeError("; ".join(said) or str(error)) from error
        whole.write_text(fingerprint(code))


def fingerprint(code: Path) -> str:
    """A hash of the files of a build and of the platform."""
    found = hashlib.sha256(platform.platform().encode())
    for file in sorted(code.iterdir()):
        if file.name != "fingerprint":
            found.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Wait until no other process builds the same model in this folder, and keep others waiting.

    On Windows, and on file systems without locks, processes do not wait.
    """
    with lock.open("w") as file:
        lock_file(file, wait=True)
        yield


@contextlib.contextmanager
def optimized() -> Iterator[None]:
    """Let the C++ compiler optimize. GeNN's own option adds -ffast-math, which would change the rounding."""
    compiler = os.environ.get("CXX")
    os.environ["CXX"] = f"{compiler or 'g++'} -O3 -ffp-contract=off"  # what make calls
    try:
        yield
    finally:
        if compiler is None:
            del os.environ["CXX"]
        else:
            os.environ["CXX"] = compiler


@contextlib.contextmanager
def stdout_to(file: IO[bytes]) -> Iterator[None]:
    """Send stdout of this process and its children, which has GeNN's errors, to a file."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
