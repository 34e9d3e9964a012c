"""The names of a network's parts in code: populations, connections and weights."""

from __future__ import annotations

from tgenn_gen.codegen.identifiers import identifier, identifiers_of, unique
from tgenn_gen.codegen.plan import WeightPlan
from tgenn_gen.codegen.python_lines import call_lines
from tgenn_gen.network.delays import longest_delays
from tgenn_gen.network.model import Connection, Network, Population
from tgenn_gen.network.tensors import Tensor

# names that scripts use for other things
RESERVED = """
    __file__ __name__ Any CLOCK DOCUMENT
    Floats GeNNNetwork NumpyNetwork add added bias build clock connectivity constant current
    dataRange deltaCurr draw earliest example input inject kernel kernels keys main maps matrix model
    modelDefinition net network np offset options orderOutputs outer output population populations powers
    pygenn read rename runtime scaled set_kernel setWeights shared signed_pulse simulate spike_weights tgenn
    timesteps toeplitz uniform variable weights window_means
    """.split()
LATE_PULSES = ("late_pulse", "signed_late_pulse")  # synapses with a delay
READOUT = ("V", "spikes", "steps")  # parameters of readouts: a scale beside them needs another name
BLOCK = 4  # columns by which the block of a population is indented


class CodeNames:
    """Distinct identifiers that are valid in Python, C++ and GeNN."""

    def __init__(self, network: Network) -> None:
        dt = network.simulation.dt
        calls = [i.encoding.call(dt) for i in network.inputs] + [
            p.neuron.call(dt) for p in network.populations
        ]
        self._taken = {*RESERVED, *(call.function.__name__ for call in calls)}
        self._taken |= {*LATE_PULSES} if longest_delays(network) else set()
        names = [i.name for i in network.inputs] + [p.name for p in network.populations]
        self.identifiers = identifiers_of(names, self._taken)
        self._taken |= {*READOUT, *(f"{name}_neurons" for name in self.identifiers.values())}  # in C++
        self._weights = {
            file: unique(_weight_identifier(file), self._taken) for file in sorted(network.tensors)
        }

    def connection(self, connection: Connection, population: Population) -> str:
        """A new name for a connection."""
        source, target = self.identifiers[connection.source], self.identifiers[population.name]
        return unique(f"{source}_to_{target}", self._taken)

    def tensor(self, tensor: Tensor) -> str:
        return self._weights[tensor.file]

    def scale(self, population: Population) -> str:
        """A literal, or the name of a tensor."""
        scale = population.scale
        return self.tensor(scale) if isinstance(scale, Tensor) else repr(scale)

    def weight(self, tensor: Tensor) -> WeightPlan:
        """A weight file, and how Python reads it."""
        name, shape = self.tensor(tensor), tensor.values.shape
        lines = call_lines(f"{name} = ", f'net.weights("{tensor.file}", {shape})', indent=BLOCK)
        return WeightPlan(name, tensor.file, shape, lines)


def _weight_identifier(file: str) -> str:
    """weights/conv1.kernel.npy to conv1_kernel; no name of capitals alone, which may be a macro in C++."""
    name = identifier(file.rpartition("/")[2].removesuffix(".npy"))
    return f"{name}_" if name.isupper() else name
