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
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .data import Examples, count_of
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
        self._loaded = True

    def values(self, population: str, variable: str) -> np.ndarray:
        """A copy of a GeNN variable as it is now, (batch, neurons)."""
        return values_of(self.populations[population], variable).copy()

    def step(self, x: np.ndarray | Mapping[str, np.ndarray]) -> None:
        """Show x (batch, *input shape), or {input: array}, for one time step; all populations advance by it.

        A population at depth d sees it d steps later. Each one restarts after `timesteps` of its steps, as it
        does for a new example: build the network with as many as an episode has. Raises RunError.
        """
        examples = self.examples_of(x)
        self.load(count_of(examples))
        if count_of(examples) != self.batch_size:
            raise RunError(f"{count_of(examples)} examples in a step, expected {self.batch_size}")
        if self._step == 0:
            self._set_timesteps(self.timesteps)
            latest = max(self._begin(driven.group, self.timesteps) for driven in self._driven)
            self._shown = deque(maxlen=latest + 1)
        self._shown.appendleft(examples)
        step, self._step = self._step, self._step + 1
        for group, stream in self._streams:
            example, local = divmod(step - self._begin(group, self.timesteps), self.timesteps)
            if local == 0 and example >= 0:
                self._set_keys(group, stream, example)
        for driven in self._driven:
            ago = self._begin(driven.group, self.timesteps)
            if ago < len(self._shown):
                driven.show(driven.currents(self.shown(self._shown[ago], 0, self.batch_size)))
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
        self._step = 0
        groups = self.populations
        spiking, signed = self._with("spike_count"), self._with("net_count")
        recorded = spiking if record is None else record
        reads = list(self._reads.items())
        each_step = [(name, "spike_count") for name in recorded]
        each_step += [(name, "net_count") for name in recorded if name in signed]
        each_step += [(name, "V") for name in record_v]
        latched = [*reads]
        if details:
            each_step += [read for read in reads if read not in each_step]
            latched += [(name, "spike_count") for name in spiking] + [(name, "net_count") for name in signed]
        firsts = {  # global step of what a population emits at its local step 0
            name: self._begin(group, timesteps) + (timesteps - 1 if self.few_spike and name in spiking else 0)
            for name, group in groups.items()
        }

        size = self.batch_size
        count = -(-count_of(examples) // size)
        starts = self._starts(examples, timesteps)
        lag = max(firsts.values()) // timesteps + 1  # windows until a batch's last result is latched
        courses: dict[int, _Values] = defaultdict(lambda: defaultdict(list))  # by batch: after each step
        lasts: dict[int, _Values] = defaultdict(lambda: defaultdict(list))  # by batch: after the last step
        for window in range(count + lag):
            self.model.timestep = 0
            for step in range(timesteps):
                for ago, start in starts[step]:
                    if 0 <= window - ago < count:
                        start(window - ago)
                self.model.step_time()
                for name, variable in each_step:
                    index = (window * timesteps + step - firsts[name]) // timesteps
                    if 0 <= index < count:
                        courses[index][name, variable].append(values_of(groups[name], variable).copy())
            for name, variable in latched:
                index = window - 1 - firsts[name] // timesteps
                if 0 <= index < count:
                    value = values_of(groups[name], f"last_{variable}").copy()
                    lasts[index][name, variable].append(value)
            if window >= lag:
                end = min(size, count_of(examples) - (window - lag) * size)
                course, last = (
                    {key: np.stack(values)[:, :end] for key, values in kept.pop(window - lag, {}).items()}
                    for kept in (courses, lasts)
                )
                yield self._result(course, last, timesteps, recorded, record_v)

    def _starts(
        self, examples: Examples, timesteps: int
    ) -> dict[int, list[tuple[int, Callable[[int], None]]]]:
        """What is done when populations begin with a batch, by the step of a window at which they do.

        Pairs: how many windows after the first population, and a function of the number of the batch.
        """
        starts: dict[int, list[tuple[int, Callable[[int], None]]]] = {step: [] for step in range(timesteps)}
        for group, stream in self._streams:
            ago, step = divmod(self._begin(group, timesteps), timesteps)
            starts[step].append((ago, partial(self._set_keys, group, stream)))
        for driven in self._driven:
            ago, step = divmod(self._begin(driven.group, timesteps), timesteps)
            starts[step].append((ago, partial(driven.show_next, self._currents(driven, examples))))
        return starts

    def _currents(self, driven: _Driven, examples: Examples) -> Iterator[np.ndarray]:
        """The currents of batch after batch; NumPy is faster with those of many examples at once."""
        neurons = driven.group.num_neurons
        block = self.batch_size * max(1, 2**18 // (self.batch_size * neurons))
        for start in range(0, count_of(examples), block):
            currents = driven.currents(self.shown(examples, start, start + block))
            for first in range(0, len(currents), self.batch_size):
                yield currents[first : first + self.batch_size]

    def _result(
        self, course: _Arrays, last: _Arrays, timesteps: int, recorded: Sequence[str], record_v: Sequence[str]
    ) -> Result:
        """The result of a batch, of values after each step and after the last: (steps, batch, neurons)."""
        outputs = {}
        for name, variable in self._reads.items():
            read = course.get((name, variable), last[name, variable])
            if start := self.outputs[name]["start"] if len(read) > 1 else 0:
                read = np.concatenate([np.zeros_like(read[:start]), read[start:]])
            read = read.reshape(*read.shape[:2], *self.outputs[name]["shape"])
            outputs[name] = self.output_of(name, read, timesteps)
        spikes = {}
        for name in recorded:
            counts = course.get((name, "net_count"), course[name, "spike_count"]).astype(np.int64)
            spikes[name] = np.diff(counts, axis=0, prepend=0).astype(np.int8).swapaxes(0, 1)
        return Result(
            {name: output[-1] for name, output in outputs.items()},
            outputs,
            {name: counts[-1] for (name, variable), counts in last.items() if variable == "spike_count"},
            {name: counts[-1] for (name, variable), counts in last.items() if variable == "net_count"},
            spikes,
            {name: course[name, "V"].swapaxes(0, 1) for name in record_v},
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


def values_of(group: Any, variable: str) -> np.ndarray:
    """A variable as it is now, (batch, neurons): a view that the next time step changes."""
    group.vars[variable].pull_from_device()
    values: np.ndarray = group.vars[variable].current_view.reshape(-1, group.num_neurons)
    return values


@dataclass(frozen=True)
class _Driven:
    """A population that examples give a current."""

    group: Any
    current: Callable[..., np.ndarray]
    inputs: tuple[str, ...]

    def currents(self, examples: Examples) -> np.ndarray:
        """float32 (n, neurons)."""
        current = self.current(*(examples[name].astype(np.float64) for name in self.inputs))
        return current.reshape(len(current), -1).astype(np.float32)

    def show(self, currents: np.ndarray) -> None:
        """Set I_const; a batch that is not full is filled up with zeros."""
        variable = self.group.vars["I_const"]
        view = variable.current_view.reshape(-1, self.group.num_neurons)
        view[: len(currents)] = currents
        view[len(currents) :] = 0
        variable.push_to_device()

    def show_next(self, currents: Iterator[np.ndarray], batch: int) -> None:
        """Set I_const to the currents of the next batch."""
        self.show(next(currents))


_Values = dict[tuple[str, str], list[np.ndarray]]  # by population and variable: (batch, neurons) each
_Arrays = dict[tuple[str, str], np.ndarray]  # the same together: (steps, batch, neurons)
