"""A network on GeNN: the backend, and the loop over examples.

A spike arrives one step after it is emitted. So a population at depth d, which is d synapses after the input,
runs its local step k at global step d + k: while the output population finishes an example, the first
population already sees the next one. At its local step 0 a population stores (latches) the result of the last
example in variables named last_..., and resets. The host only sets inputs and reads the latched variables.
A few-spike population emits after it has seen all time steps of an example: its depth counts in examples.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .data import Examples, count_of
from .genn_building import (
    LATE,
    GeNNModel,
    backend_modules,
    build_and_load,
    build_folder,
    is_late,
    pygenn,
    values_of,
)
from .genn_driving import DrawingPopulation, DrivenPopulation
from .messages import RunError
from .recording import Recording
from .results import Result
from .runnable_network import ReadoutFunction, RunnableNetwork, require_recordable

MAX_BATCH = 128  # examples at a time on a GPU, unless the user chooses
CPU = "single_threaded_cpu"


class GeNNNetwork(RunnableNetwork):
    """A network on GeNN. build() of simulate.py defines it in `model`, a pygenn.GeNNModel.

    dt                 the length of a time step in ms
    default_timesteps  time steps per example in network.yaml
    outputs        the output populations in order, if there are several
    timesteps      time steps per example
    backend        GeNN's backend; by default the fastest that PyGeNN has
    batch_size     examples at a time: 1 on a CPU; by default 128 on a GPU
    seed           seed of random numbers, if the network uses any
    connectivity   how GeNN stores synapses that share weights: "sparse": each synapse; "toeplitz" or
                   "auto": only the kernel
    build_dir      the folder for GeNN's code; by default the script's folder, or a cache folder if that is
                   read-only
    keep_i         whether GeNN keeps the input current of each step, which record_i of `run` needs

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
        few_spike: bool = False,
        reset: str = "example",
        outputs: Sequence[str] = (),
        timesteps: int | None = None,
        backend: str | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        connectivity: str = "auto",
        build_dir: str | Path | None = None,
        keep_i: bool = False,
    ) -> None:
        steps = default_timesteps if timesteps is None else timesteps
        super().__init__(name, script, timesteps=steps, few_spike=few_spike, reset=reset, seed=seed)
        self.outputs = {output: {} for output in outputs}
        self.backend = backend or next(iter(backend_modules))
        if self.backend not in backend_modules:
            raise RunError(
                f"{self.backend}: expected one that PyGeNN has: {', '.join(backend_modules)}",
                option="backend",
            )
        if self.backend == CPU and batch_size not in (None, 1):
            message = f"{batch_size}: expected 1, because backend {CPU} simulates one example at a time"
            raise RunError(message, option="batch_size")
        self.batch_size = batch_size or 0  # 0: chosen when the model is loaded
        if connectivity not in ("auto", "sparse", "toeplitz"):
            raise RunError(f"{connectivity}: expected auto, sparse or toeplitz", option="connectivity")
        self.matrix = "SPARSE" if connectivity == "sparse" else "TOEPLITZ"
        # GeNN 5.4 cannot compile TOEPLITZ synapses that read a variable of their source for a GPU
        self.signed_matrix = self.matrix if self.backend == CPU else "SPARSE"
        self.build_dir = build_folder(self.folder.path, build_dir)
        self.model = GeNNModel("float", re.sub(r"\W|^(?=\d)", "_", name), backend=self.backend, keep_i=keep_i)
        self.model.dt = dt
        self._default_timesteps = default_timesteps
        self._names: dict[str, str] = {}
        self._driven: list[DrivenPopulation] = []
        self._drawing: list[DrawingPopulation] = []
        self._reads: dict[str, str] = {}
        self._step = 0
        self._shown: deque[Examples] = deque()
        self._loaded = False

    # What build calls.

    def clock(self, depth: int) -> dict[str, int]:
        """The parameters from which a population computes its local step.

        depth: the number of synapses between the input and the population.
        """
        return {"timesteps": self._default_timesteps, "depth": depth}

    @property
    def late(self) -> dict[str, int]:
        """The parameters of synapses with a delay; their values follow from depths and axonal_delay_steps."""
        return dict.fromkeys(LATE, 1)

    def rename(self, group: Any, name: str) -> None:
        """Set the name of a population in results, if it is not a valid name in GeNN."""
        self._names[group.name] = name

    def inject(self, group: Any, current: Callable[..., np.ndarray], *inputs: str) -> None:
        """Where a population begins with an example or a frame, set its I_const to current(of these inputs).

        current: takes float64 arrays (batch, *input shape).
        """
        self._driven.append(DrivenPopulation(group, current, inputs))

    def draw(self, group: Any, stream: int) -> None:
        """At local step 0 of a population, set its random key. stream: its index in the network."""
        self._drawing.append(DrawingPopulation(group, stream))

    def shared(self, kernel: np.ndarray, matrix: str) -> Any:
        """The weights `g` of synapses that share a kernel. With SPARSE, set_kernel sets it later."""
        return kernel.flatten() if matrix == "TOEPLITZ" else pygenn.init_var("Kernel")

    def connectivity(self, snippets: dict[str, Any], matrix: str) -> Any:
        """The connectivity of synapses. snippets: SPARSE, TOEPLITZ, ROWS in connectivity.py."""
        if matrix == "TOEPLITZ":
            return pygenn.init_toeplitz_connectivity(snippets["ROWS" if self.backend == CPU else matrix])
        return pygenn.init_sparse_connectivity(snippets[matrix])

    def set_kernel(self, synapses: Any, kernel: np.ndarray) -> None:
        """Set the kernel of SPARSE synapses that were made with `shared`."""
        if parameters := synapses.vars["g"].extra_global_params:
            parameters["kernel"].set_init_values(kernel.flatten())

    def output(
        self,
        group: Any,
        variable: str,
        shape: tuple[int, ...],
        readout: ReadoutFunction,
        start: int = 0,
        activation: str | None = None,
    ) -> None:
        """Declare an output population.

        variable   the GeNN variable to read after each step; last_<variable> has its value at the end of an
                   example
        readout    computes the logits in the units of the ANN: readout(values, steps), with values of shape
                   (steps, batch, *shape) and the number of steps so far
        start      the first step of an example that the readout uses
        activation the function of the ANN's output: softmax, sigmoid or tanh
        """
        name = self.name_of(group)
        self.outputs[name] = {"shape": shape, "start": start, "activation": activation}
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
        """Build and load the model, once. examples: an upper limit of the batch size. Raises RunError."""
        if self._loaded:
            return
        model = self.model
        if not self.batch_size:
            values = sum(int(np.prod(output["shape"])) for output in self.outputs.values())
            # outputs after each step take up to 256 MB
            in_memory = max(1, 2**26 // (self.timesteps * values))
            alone = self.backend == CPU or self.reset == "never"
            self.batch_size = 1 if alone else min(MAX_BATCH, examples, in_memory)
        steps = (f"_{self.timesteps}" if self.few_spike else "") + ("_i" if model.keep_i else "")
        model.name = f"{model.name}_{self.backend}_{self.batch_size}_{self.matrix.lower()}{steps}"
        model.batch_size = self.batch_size
        self._check()
        try:
            build_and_load(model, self.build_dir)
        except Exception as error:
            raise RunError(f"GeNN cannot build the model with backend {self.backend}: {error}", 3) from error
        self._loaded = True
        for name in self.populations:
            self._push_parameters(name)

    def set(self, population: str, **values: float) -> None:
        before = self.settings
        super().set(population, **values)
        try:
            self.settings.require_known(self.populations)
            if self._loaded:
                self._push_parameters(population)
            else:
                self._parameters(population)
        except RunError:
            self.settings = before
            raise

    def _parameters(self, population: str) -> dict[str, float]:
        """The values of a population's dynamic parameters, but for those that the host sets."""
        given = self.model.parameters[self.populations[population].name]
        own = {n: v for n, v in given.items() if n not in ("timesteps", "fresh")}
        return self.settings.applied(population, own)

    def _push_parameters(self, population: str) -> None:
        for name, value in self._parameters(population).items():
            self.populations[population].set_dynamic_param_value(name, value)

    def _check(self) -> None:
        """Raise RunError where parts of the network, which may have been edited, do not fit together."""
        for group in self.model.neuron_populations.values():
            if not {"timesteps", "depth"} <= set(group.params):
                raise RunError(
                    f"{group.name}: has no clock: add CLOCK to its model's params, and net.clock(depth=...)"
                )
        for synapses in self.model.synapse_populations.values():
            kernel = synapses.vars["g"].extra_global_params.get("kernel")
            if kernel is not None and kernel.init_values is None:
                raise RunError(f"{synapses.name}: has no weights: call net.set_kernel after adding it")
            delay = synapses.axonal_delay_steps // (self.timesteps if self.few_spike else 1)
            depth, found = self._begin(synapses.src, 1) + 1 + delay, self._begin(synapses.trg, 1)
            late = is_late(synapses)
            if (found >= depth) if late else (found != depth):
                expected = f"{'less than ' if late else ''}{depth}"
                raise RunError(f"{synapses.name}: {synapses.trg.name} has depth {found}, expected {expected}")
        for name, variable in self._reads.items():
            if f"last_{variable}" not in self.populations[name].vars:
                raise RunError(f"{name}: has no variable last_{variable}: an output needs it")

    def values(self, population: str, variable: str) -> np.ndarray:
        """A copy of a GeNN variable's present values, (batch, neurons). Raises RunError."""
        self.load()
        if population not in self.populations or variable not in self.populations[population].vars:
            raise RunError(f"there is no population {population} with a variable {variable}")
        return values_of(self.populations[population], variable).copy()

    @property
    def delays(self) -> dict[str, int]:
        return {name: self._first(name, self.timesteps) for name in self.outputs}

    def step(self, x: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
        examples = self.shown_in_step(x)
        self.load(count_of(examples))
        if count_of(examples) != self.batch_size:
            raise RunError(f"{count_of(examples)} examples in a step, expected {self.batch_size}")
        if self._step == 0:
            self.model.set_timesteps(self.timesteps)
            latest = max((self._begin(d.group, self.timesteps) for d in self._driven), default=0)
            self._shown = deque(maxlen=latest + 1)
        self._shown.appendleft(examples)
        step, self._step = self._step, self._step + 1
        for drawing in self._drawing:
            example, local = divmod(step - self._begin(drawing.group, self.timesteps), self.timesteps)
            if local == 0 and example >= 0:
                first = example * self.batch_size
                drawing.set_keys(self.seed, np.arange(first, first + self.batch_size))
        for group in self._streaming:
            example, local = divmod(step - self._begin(group, self.timesteps), self.timesteps)
            if local == 0 and example >= 0:
                self.model.begin_example(group, example)
        for driven in self._driven:
            ago = self._begin(driven.group, self.timesteps)
            if ago < len(self._shown):
                driven.show(driven.currents(self._shown[ago]))
        self.model.timestep = step % self.timesteps  # time is float32 on the device, so it must stay small
        self.model.step_time()
        answers: dict[str, np.ndarray | None] = {}
        for name, variable in self._reads.items():
            local = step - self._first(name, self.timesteps)
            read = values_of(self.populations[name], variable) if local >= 0 else None
            answers[name] = None if read is None else self.answer(name, read, local % self.timesteps)
        return {name: answers[name] for name in self.outputs}

    def shape(self, group: Any, shape: tuple[int, ...]) -> None:
        """Declare the shape of a population; without that it is (neurons,)."""
        self.shapes[self.name_of(group)] = shape

    def prepare(self, examples: int, recording: Recording) -> None:
        for name, group in self.populations.items():
            self.shapes.setdefault(name, (group.num_neurons,))
            recording.require_neurons(name, group.num_neurons)
        if recording.i and not self.model.keep_i and not self.few_spike:
            raise RunError("needs a network that keeps I: build(keep_i=True)", option="record_i")
        can = self._with("spike_count"), self._with("V"), self._with("recorded_I")
        require_recordable(recording, *can, self.populations, self.few_spike)
        self.load(examples)

    def batches(
        self, examples: Examples, numbers: range, timesteps: int, recording: Recording
    ) -> Iterator[Result]:
        if self.few_spike and timesteps != self.timesteps:
            raise RunError(f"{timesteps}: this network was built for {self.timesteps}", option="timesteps")
        self.prepare(count_of(examples), recording)
        if self.reset == "never" and self.batch_size != 1:
            message = f"{self.batch_size}: expected 1, because the examples are a stream"
            raise RunError(message, option="batch_size")
        self.model.set_timesteps(timesteps)
        self._step = 0
        groups = self.populations
        spiking, signed = self._with("spike_count"), self._with("net_count")
        reads, latched = [*self._reads.items()], [*self._reads.items()]
        if recording.details:
            latched += [(name, "spike_count") for name in spiking] + [(name, "net_count") for name in signed]
        firsts = {name: self._first(name, timesteps) for name in groups}

        size = self.batch_size
        count = -(-count_of(examples) // size)
        starts = self._starts(examples, numbers, timesteps)
        lag = max(firsts.values()) // timesteps + 1  # windows until a batch's last result is latched
        new: Callable[[], dict[int, _Values]] = partial(defaultdict, partial(defaultdict, list))
        courses, traces, lasts = new(), new(), new()  # by batch: after each step, recorded, after the last
        rows = [recording.rows(numbers[n * size : (n + 1) * size]) for n in range(count)]
        emitted = dict.fromkeys(spiking, "spike_count") | dict.fromkeys(signed, "net_count")
        recorded = spiking if recording.spikes is None else recording.spikes
        every = [slice(None)] * count
        each_step: list[Any] = [(courses, every, read, np.copy) for read in reads if recording.details]
        each_step += [(traces, rows, (name, emitted[name]), np.copy) for name in recorded]
        each_step += [(traces, rows, (name, "V"), recording.of_kept) for name in recording.v]
        each_step += [(traces, rows, (name, "recorded_I"), recording.of_kept) for name in recording.i]
        for window in range(count + lag):
            self.model.timestep = 0
            for step in range(timesteps):
                for ago, start in starts[step]:
                    if 0 <= window - ago < count:
                        start(window - ago)
                self.model.step_time()
                for by_batch, shown, (name, variable), copied in each_step:
                    index = (window * timesteps + step - firsts[name]) // timesteps
                    if 0 <= index < count and shown[index] is not None:
                        values = copied(values_of(groups[name], variable)[shown[index]])
                        by_batch[index][name, variable].append(values)
            for name, variable in latched:
                index = window - 1 - firsts[name] // timesteps
                if 0 <= index < count:
                    value = values_of(groups[name], f"last_{variable}").copy()
                    lasts[index][name, variable].append(value)
            if window >= lag:
                end = min(size, count_of(examples) - (window - lag) * size)
                course, trace, last = (
                    {key: np.stack(values)[:, :end] for key, values in by_batch.pop(window - lag, {}).items()}
                    for by_batch in (courses, traces, lasts)
                )
                yield self._result(course, trace, last, timesteps, recording)

    def _starts(
        self, examples: Examples, numbers: range, timesteps: int
    ) -> dict[int, list[tuple[int, Callable[[int], None]]]]:
        """{step of a window: what to do when populations begin with a batch, or with frames of it, there}.

        Pairs: how many windows after the first population, and a function of the batch's index.
        """
        starts: dict[int, list[tuple[int, Callable[[int], None]]]] = {step: [] for step in range(timesteps)}
        for drawing in self._drawing:
            ago, step = divmod(self._begin(drawing.group, timesteps), timesteps)
            set_keys = partial(drawing.set_keys_of_batch, self.seed, numbers, self.batch_size)
            starts[step].append((ago, set_keys))
        for group in self._streaming:
            ago, step = divmod(self._begin(group, timesteps), timesteps)
            starts[step].append((ago, partial(self.model.begin_example, group)))
        for driven in self._driven:
            currents = driven.currents_of_batches(examples, self.inputs, self.batch_size)
            frames = driven.frames(self.inputs)
            for frame in range(frames):
                begin = self._begin(driven.group, timesteps) + frame * timesteps // frames
                ago, step = divmod(begin, timesteps)
                starts[step].append((ago, partial(driven.show_next, currents)))
        return starts

    def _result(
        self, course: _Arrays, trace: _Arrays, last: _Arrays, timesteps: int, recording: Recording
    ) -> Result:
        """The result of a batch, from values (steps, batch, neurons): after each step, recorded, the last."""
        logits = {}
        for name, variable in self._reads.items():
            read = course.get((name, variable), last[name, variable])
            if start := self.outputs[name]["start"] if len(read) > 1 else 0:
                read = np.concatenate([np.zeros_like(read[:start]), read[start:]])
            read = read.reshape(*read.shape[:2], *self.outputs[name]["shape"])
            logits[name] = self.logits_of(name, read, timesteps)
        traced: dict[str, dict[str, np.ndarray]] = defaultdict(dict)  # by variable
        for (name, variable), values in trace.items():
            traced[variable][name] = values.swapaxes(0, 1)
        counts = {**traced["spike_count"], **traced["net_count"]}
        counts = {name: counts[name] for name in (recording.spikes or self.populations) if name in counts}
        parameters = {} if self.few_spike else {name: self._parameters(name) for name in traced["V"]}
        return Result(
            {name: values[-1] for name, values in logits.items()},
            logits,
            {name: counts[-1] for (name, variable), counts in last.items() if variable == "spike_count"},
            {name: counts[-1] for (name, variable), counts in last.items() if variable == "net_count"},
            {
                name: np.diff(c.astype(np.int64), axis=1, prepend=0).astype(np.int8)
                for name, c in counts.items()
            },
            traced["V"],
            self.activations,
            i=traced["recorded_I"],
            neurons=recording.neurons,
            thresholds={name: p["threshold"] for name, p in parameters.items() if "threshold" in p},
        )

    def _with(self, variable: str) -> list[str]:
        """The populations that have this variable."""
        return [name for name, group in self.populations.items() if variable in group.vars]

    def _begin(self, group: Any, timesteps: int) -> int:
        """The global step at which a population is at its local step 0."""
        return int(group.params["depth"].value) * (timesteps if self.few_spike else 1)

    def _first(self, name: str, timesteps: int) -> int:
        """The global step at which a population emits the spikes of its local step 0."""
        group = self.populations[name]
        late = timesteps - 1 if self.few_spike and "spike_count" in group.vars else 0
        return self._begin(group, timesteps) + late

    @property
    def _streaming(self) -> Iterable[Any]:
        """The populations, if they keep their state from an example to the next."""
        return self.populations.values() if self.reset == "never" else ()


_Values = dict[tuple[str, str], list[np.ndarray]]  # by population and variable: (batch, neurons) each
_Arrays = dict[tuple[str, str], np.ndarray]  # the same together: (steps, batch, neurons)
