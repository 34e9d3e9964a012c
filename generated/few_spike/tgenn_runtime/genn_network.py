"""A network on GeNN: the backend, and the loop over examples.

A spike arrives one step after it is emitted. So a population at depth d, d synapses behind the input, runs
its local step k at global step d + k: while the output population finishes an example, the first one
already sees the next. At its local step 0 a population keeps (latches) the result of the example before, in
variables called last_..., and starts afresh. The host only changes inputs, and reads what is latched.
A few-spike population emits when it has seen all timesteps of an example: its depth counts in examples.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .data import Examples, count_of, currents_of
from .genn_building import build_and_load, build_folder
from .messages import RunError
from .random_numbers import random_keys
from .results import Result
from .runnable_network import ReadoutFunction, RunnableNetwork, require_recordable

try:
    import pygenn
    from pygenn.genn_model import backend_modules
except ImportError as error:
    message = (
        f"PyGeNN cannot be imported ({error}): "
        "https://genn-team.github.io/genn/documentation/5/installation.html says how it is installed. "
        "reference.py gives the same results without it."
    )
    if Path(sys.argv[0]).name == "simulate.py":
        print(f"simulate.py: error: {message}", file=sys.stderr)
        raise SystemExit(3) from None
    raise ImportError(message) from None

MAX_SPARSE_BYTES = 4 * 2**30  # on a CPU, a network whose SPARSE synapses would take more gets TOEPLITZ ones
MAX_BATCH = 128  # examples at a time on a GPU, unless the user chooses
CPU = "single_threaded_cpu"


class GeNNNetwork(RunnableNetwork):
    """A network on GeNN, which `build` of simulate.py defines in `model`, a pygenn.GeNNModel.

    outputs        the output populations in order, where there are several
    timesteps      steps an example
    backend        GeNN's backend; by default the fastest that PyGeNN has here
    batch_size     examples at a time: 1 on a CPU; by default 128 on a GPU
    seed           of random numbers, where the network draws any
    connectivity   how synapses that share weights are kept: "sparse", all of them; "toeplitz", their kernel
                   alone; or "auto": sparse on a CPU up to 4 GiB, else toeplitz
    build_dir      where GeNN's code is built; by default the script's folder, or a cache folder if that is
                   read-only

    matrix         SPARSE or TOEPLITZ, for synapses that can be either
    signed_matrix  the same for synapses from populations whose spikes have a sign
    """

    def __init__(
        self,
        name: str,
        script: str,
        *,
        dt: float,
        default_timesteps: int,
        sparse_bytes: int = 0,
        few_spike: bool = False,
        outputs: Sequence[str] = (),
        timesteps: int | None = None,
        backend: str | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        connectivity: str = "auto",
        build_dir: str | Path | None = None,
    ) -> None:
        steps = default_timesteps if timesteps is None else timesteps
        super().__init__(name, script, timesteps=steps, few_spike=few_spike, seed=seed)
        self.outputs = {output: {} for output in outputs}
        self.backend = backend or next(iter(backend_modules))
        if self.backend not in backend_modules:
            raise RunError(f"backend {self.backend}: PyGeNN here has {', '.join(backend_modules)}")
        if self.backend == CPU and batch_size not in (None, 1):
            raise RunError(f"batch size {batch_size}: backend {CPU} simulates one example at a time")
        self.batch_size = batch_size or 0  # 0: chosen when the model is loaded
        small = sparse_bytes <= MAX_SPARSE_BYTES
        automatic = "sparse" if self.backend == CPU and small else "toeplitz"
        self.matrix = (automatic if connectivity == "auto" else connectivity).upper()
        # GeNN 5.4 cannot compile TOEPLITZ synapses that read a variable of their source for a GPU
        self.signed_matrix = self.matrix if self.backend == CPU else "SPARSE"
        self.build_dir = build_folder(self.folder.path, build_dir)
        self.model = pygenn.GeNNModel("float", re.sub(r"\W|^(?=\d)", "_", name), backend=self.backend)
        self.model.dt = dt
        self._default_timesteps = default_timesteps
        self._names: dict[str, str] = {}
        self._driven: list[_Driven] = []
        self._streams: list[tuple[Any, int]] = []
        self._reads: dict[str, str] = {}
        self._step = 0
        self._shown: deque[Examples] = deque()
        self._loaded = False

    # What build calls.

    def clock(self, depth: int) -> dict[str, int]:
        """The parameters that tell a population which of its local steps it is at.

        depth: how many synapses it is behind the input.
        """
        return {"timesteps": self._default_timesteps, "depth": depth}

    def rename(self, group: Any, name: str) -> None:
        """Give a population the name that results have, where GeNN cannot have the same."""
        self._names[group.name] = name

    def inject(self, group: Any, current: Callable[..., np.ndarray], *inputs: str) -> None:
        """Set a population's I_const, at its local step 0, to `current` of the examples of these inputs.

        current takes float64 arrays (batch, *input shape), and is rounded to float32 once, so that no order
        of summation shows in it.
        """
        self._driven.append(_Driven(group, current, inputs))

    def draw(self, group: Any, stream: int) -> None:
        """Set a population's key for random numbers at its local step 0. stream: its place in the network."""
        self._streams.append((group, stream))

    def shared(self, kernel: np.ndarray, matrix: str) -> Any:
        """The weights `g` of synapses that share them: the kernel; for SPARSE, what set_kernel copies."""
        return kernel.flatten() if matrix == "TOEPLITZ" else pygenn.init_var("Kernel")

    def connectivity(self, snippets: dict[str, Any], matrix: str) -> Any:
        """The connectivity of synapses, of those that connectivity.py has for SPARSE and TOEPLITZ."""
        if matrix == "TOEPLITZ":
            return pygenn.init_toeplitz_connectivity(snippets[matrix])
        return pygenn.init_sparse_connectivity(snippets[matrix])

    def set_kernel(self, synapses: Any, kernel: np.ndarray) -> None:
        """Give SPARSE synapses, made with `shared`, the kernel that their weights are copied from."""
        if parameters := synapses.vars["g"].extra_global_params:
            parameters["kernel"].set_init_values(kernel.flatten())

    def output(
        self, group: Any, variable: str, shape: tuple[int, ...], readout: ReadoutFunction, start: int = 0
    ) -> None:
        """Declare an output population.

        variable   what is read after each step; the last value of an example is in last_<variable>
        readout    makes of it the output, in the ANN's units: of arrays (steps, batch, *shape) and the number
                   of steps so far
        start      the steps of an example that the readout leaves out
        """
        name = self.name_of(group)
        self.outputs[name] = {"shape": shape, "start": start}
        self.readouts[name], self._reads[name] = readout, variable

    # What users call.

    def name_of(self, group: Any) -> str:
        """The name of a population in results."""
        return self._names.get(group.name, group.name)

    @property
    def populations(self) -> dict[str, Any]:
        """{name: GeNN's neuron group}."""
        return {self.name_of(group): group for group in self.model.neuron_populations.values()}

    def load(self, examples: int = MAX_BATCH) -> None:
        """Build and load the model, if that was not done. examples: the most at a time. Raises RunError."""
        if self._loaded:
            return
        model = self.model
        if not self.batch_size:
            values = sum(int(np.prod(output["shape"])) for output in self.outputs.values())
            in_memory = max(1, 2**26 // (self.timesteps * values))  # outputs after each step: 256 MB
            self.batch_size = 1 if self.backend == CPU else min(MAX_BATCH, examples, in_memory)
        steps = f"_{self.timesteps}" if self.few_spike else ""
        model.name = f"{model.name}_{self.backend}_{self.batch_size}_{self.matrix.lower()}{steps}"
        model.batch_size = self.batch_size
        for group in model.neuron_populations.values():
            if "timesteps" in group.params:  # so that other timesteps need no new code
                group.set_param_dynamic("timesteps")
        try:
            build_and_load(model, self.build_dir)
        except Exception as error:
            raise RunError(f"GeNN cannot build the model with backend {self.backend}: {error}", 3) from error
        depth = max(self._begin(driven.group, self.timesteps) for driven in self._driven)
        self._shown = deque(maxlen=depth + 1)
        self._loaded = True

    def values(self, population: str, variable: str) -> np.ndarray:
        """A copy of a GeNN variable as it is now, (batch, neurons)."""
        return values_of(self.populations[population], variable)

    def step(self, x: np.ndarray | Mapping[str, np.ndarray]) -> None:
        """Show x (batch, *input shape), or {input: array}, for one time step; all populations advance by it.

        A population at depth d sees it d steps later. Each one restarts after `timesteps` of its steps, as it
        does for a new example: build the network with as many as an episode has. Raises RunError.
        """
        self.load()
        self._set_timesteps(self.timesteps)
        self._shown.appendleft(self.examples_of(x))
        step, self._step = self._step, self._step + 1
        for group, stream in self._streams:
            example, local = divmod(step - self._begin(group, self.timesteps), self.timesteps)
            if local == 0 and example >= 0:
                self._set_keys(group, stream, example)
        for driven in self._driven:
            ago = self._begin(driven.group, self.timesteps)
            if ago < len(self._shown):
                driven.show(currents_of(self._shown[ago], 0, self.batch_size, self.inputs))
        self.model.timestep = step % self.timesteps  # float32 on the device: it does not grow
        self.model.step_time()

    def prepare(self, examples: int, record: Sequence[str] | None, record_v: Sequence[str]) -> None:
        require_recordable(record, self._with("spike_count"), "spikes")
        require_recordable(record_v, self._with("V"), "a membrane potential")
        self.load(examples)

    def batches(
        self,
        examples: Examples,
        timesteps: int,
        record: Sequence[str] | None,
        record_v: Sequence[str],
        details: bool,
    ) -> Iterator[Result]:
        if self.few_spike and timesteps != self.timesteps:
            raise RunError(f"{timesteps} timesteps: this network was built for {self.timesteps}")
        self.prepare(count_of(examples), record, record_v)
        self._set_timesteps(timesteps)
        self._step, self._shown = 0, deque(maxlen=self._shown.maxlen)
        groups, spiking = self.populations, self._with("spike_count")
        recorded = spiking if record is None else record
        counts = [(n, v) for n in groups for v in ("spike_count", "net_count") if v in groups[n].vars]
        reads = list(self._reads.items())
        firsts = {  # global step of what a population emits at its local step 0
            name: self._begin(group, timesteps) + (timesteps - 1 if self.few_spike and name in spiking else 0)
            for name, group in groups.items()
        }
        courses = _Values([c for c in counts if c[0] in recorded])
        courses.add([(name, "V") for name in record_v])
        latched = _Values(reads)
        if details:
            courses.add(reads)
            latched.add(counts)

        total, size = count_of(examples), self.batch_size
        lag = max(firsts.values()) // timesteps + 1  # windows until a batch's last result is latched
        for window in range(-(-total // size) + lag):
            self.model.timestep = 0
            for step in range(timesteps):
                self._show(examples, window, step, timesteps)
                self.model.step_time()
                for name, variable in courses:
                    index, local = divmod(window * timesteps + step - firsts[name], timesteps)
                    if 0 <= index * size < total:
                        value = values_of(groups[name], variable)
                        courses.at(name, variable, index, (timesteps, *value.shape), value.dtype)[local] = (
                            value
                        )
            for name, variable in latched:
                index = window - 1 - firsts[name] // timesteps
                if 0 <= index * size < total:
                    value = values_of(groups[name], f"last_{variable}")
                    latched.at(name, variable, index, (1, *value.shape), value.dtype)[0] = value
            if window >= lag:
                end = min(size, total - (window - lag) * size)
                yield self._result(
                    courses.taken(window - lag, end), latched.taken(window - lag, end), timesteps
                )

    def _result(self, courses: _Taken, latched: _Taken, timesteps: int) -> Result:
        """The result of a batch, of the values after each step and those after the last."""
        outputs = {}
        for name, variable in self._reads.items():
            read = courses.get((name, variable), latched[name, variable])
            if len(read) > 1:
                read[: self.outputs[name]["start"]] = 0
            read = read.reshape(*read.shape[:2], *self.outputs[name]["shape"])
            outputs[name] = self.output_of(name, read, timesteps)
        spikes = {}
        for (name, variable), counts in courses.items():
            if variable == "spike_count":
                counts = courses.get((name, "net_count"), counts).astype(np.int64)
                spikes[name] = np.diff(counts, axis=0, prepend=0).astype(np.int8).swapaxes(0, 1)
        return Result(
            {name: output[-1] for name, output in outputs.items()},
            outputs,
            {name: counts[-1] for (name, v), counts in latched.items() if v == "spike_count"},
            {name: counts[-1] for (name, v), counts in latched.items() if v == "net_count"},
            spikes,
            {name: course.swapaxes(0, 1) for (name, v), course in courses.items() if v == "V"},
        )

    def _with(self, variable: str) -> list[str]:
        """The populations that have this variable."""
        return [name for name, group in self.populations.items() if variable in group.vars]

    def _set_timesteps(self, timesteps: int) -> None:
        for group in self.populations.values():
            if "timesteps" in group.params:
                group.set_dynamic_param_value("timesteps", timesteps)

    def _begin(self, group: Any, timesteps: int) -> int:
        """The global step at which a population is at its local step 0."""
        return int(group.params["depth"].value) * (timesteps if self.few_spike else 1)

    def _set_keys(self, group: Any, stream: int, batch: int) -> None:
        keys = random_keys(self.seed, stream, batch * self.batch_size + np.arange(self.batch_size))
        group.vars["key"].view[:] = keys.reshape(group.vars["key"].view.shape)
        group.vars["key"].push_to_device()

    def _show(self, examples: Examples, window: int, step: int, timesteps: int) -> None:
        """Set the currents, and random keys, of the populations whose local step 0 this is."""
        size, total = self.batch_size, count_of(examples)
        for group, stream in self._streams:
            begin = self._begin(group, timesteps)
            index = window - begin // timesteps
            if step == begin % timesteps and 0 <= index * size < total:
                self._set_keys(group, stream, index)
        for driven in self._driven:
            begin = self._begin(driven.group, timesteps)
            index = window - begin // timesteps
            if step == begin % timesteps and 0 <= index * size < total:
                driven.show(self.shown(examples, index * size, (index + 1) * size))


def values_of(group: Any, variable: str) -> np.ndarray:
    """A copy of a variable, (batch, neurons)."""
    group.vars[variable].pull_from_device()
    values: np.ndarray = group.vars[variable].current_view.reshape(-1, group.num_neurons).copy()
    return values


@dataclass(frozen=True)
class _Driven:
    """A population that examples give a current."""

    group: Any
    current: Callable[..., np.ndarray]
    inputs: tuple[str, ...]

    def show(self, examples: Examples) -> None:
        """Set I_const; a batch that is not full is filled up with zeros."""
        current = self.current(*(examples[name].astype(np.float64) for name in self.inputs)).astype(
            np.float32
        )
        variable = self.group.vars["I_const"]
        view = variable.current_view.reshape(-1, self.group.num_neurons)
        view[: len(current)] = current.reshape(len(current), -1)
        view[len(current) :] = 0
        variable.push_to_device()


_Taken = dict[tuple[str, str], np.ndarray]


class _Values:
    """Values of variables of populations, for some batches: arrays (steps, batch, neurons)."""

    def __init__(self, variables: Iterable[tuple[str, str]]) -> None:
        self._arrays: dict[tuple[str, str], dict[int, np.ndarray]] = {v: {} for v in variables}

    def add(self, variables: Iterable[tuple[str, str]]) -> None:
        self._arrays.update({v: {} for v in variables})

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._arrays)

    def at(self, name: str, variable: str, index: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """The array of a batch, zeros at first."""
        batches = self._arrays[name, variable]
        if index not in batches:
            batches[index] = np.zeros(shape, dtype)
        return batches[index]

    def taken(self, index: int, size: int) -> _Taken:
        """The arrays of a batch of so many examples, which are no longer kept here."""
        return {v: batches.pop(index)[:, :size] for v, batches in self._arrays.items()}
