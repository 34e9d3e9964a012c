"""GeNN code (GeNN's C-like language) as values: what ops and neurons are lowered to.

A chain of linear maps becomes one sparse connectivity initializer. Each map contributes a Scatter:
loops that run over the output elements which one input element feeds. Nested, they run from a
presynaptic neuron to its postsynaptic ones, and call addSynapse once for each path.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Scatter:
    """One map's part of a connectivity initializer.

    lines          opening code. Reads the flat input index i<level>, defines i<level + 1>; each line that
                   ends in "{" opens a block, which the caller closes
    kernel_index   indices into the map's weight array, as code; () where it has none
    kernel_shape   the shape of that array
    weight         the array, or a number, as a Python expression; "" where the map's weight is 1
    fan_out        the most output elements that one input element feeds
    """

    lines: tuple[str, ...] = ()
    kernel_index: tuple[str, ...] = ()
    kernel_shape: tuple[int, ...] = ()
    weight: str = ""
    fan_out: int = 1


@dataclass(frozen=True)
class Updates:
    """Neurons in GeNN code. `step` is the population's local step, 0 to timesteps - 1.

    params      its parameters with their values
    variables   its state variables besides V, with their types
    start       code run at local step 0, before anything else
    update      code of one step, after the input current is in `I`
    threshold   the condition for a spike; "" for neurons that have none
    reset       code run after a spike
    sign        the variable that holds the last spike's sign, for synapses; "" for spikes without one
    tensors     fields whose values are one a neuron, READ_ONLY variables of that name
    random      whether it reads `key`, the random key of the example
    """

    update: str
    threshold: str = ""
    reset: str = ""
    start: str = ""
    params: tuple[tuple[str, float], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    sign: str = ""
    tensors: tuple[str, ...] = ()
    random: bool = False


def mixed(name: str) -> str:
    """Statements that mix the unsigned int `name`, as runtime.random_numbers.mixed does.

    Divisions stand for shifts: GeNN 5.4 reads >> as two operators.
    """
    return (
        f"{name} = ({name} ^ ({name} / 65536u)) * 0x7feb352du;\n"
        f"{name} = ({name} ^ ({name} / 32768u)) * 0x846ca68bu;\n"
        f"{name} ^= {name} / 65536u;"
    )


def uniform(name: str, counter: str) -> str:
    """Statements that define `name`, random in [0, 1), as runtime.random_numbers.uniform gives it."""
    return "\n".join(
        (
            f"// {name}: random in [0, 1), from the example's key, the step and the neuron",
            "unsigned int neuron = id;",
            mixed("neuron"),
            f"unsigned int drawn = key + {counter};",
            mixed("drawn"),
            "drawn ^= neuron;",
            mixed("drawn"),
            f"const scalar {name} = (scalar)(drawn / 256u) / 16777216.0;",
        )
    )


def window_loop(
    index: str, target: str, tap: str, window: int, stride: int, before: int, outputs: int
) -> tuple[str, ...]:
    """Run `target` over the windows along one axis that hold input `index`; `tap` is its place in the window.

    Output o covers the inputs o * stride - before ... o * stride - before + window - 1.
    """
    shifted = f"({index} + {before})" if before else index
    by_stride = f" / {stride}" if stride > 1 else ""
    if window > stride:
        first = f"max(0, {shifted} - {window - stride}){by_stride}"
    elif window < stride:
        first = f"({shifted} + {stride - window}){by_stride}"
    else:
        first = f"{shifted}{by_stride}"
    last = f"min({outputs - 1}, {shifted}{by_stride})"
    times_stride = f" * {stride}" if stride > 1 else ""
    return (
        f"for(int {target} = {first}; {target} <= {last}; {target}++) {{",
        f"const int {tap} = {shifted} - {target}{times_stride};",
    )


def connectivity_code(scatters: tuple[Scatter, ...]) -> str:
    """The row build code of a chain: from id_pre to addSynapse(id_post, kernel index)."""
    lines = ["const int i0 = (int)id_pre;"]
    for scatter in scatters:
        lines += scatter.lines
    # One flat index: GeNN cannot build a model whose connections have kernels of different rank.
    flat = "0"
    for scatter in scatters:
        for index, length in zip(scatter.kernel_index, scatter.kernel_shape, strict=True):
            flat = index if flat == "0" else f"({flat}) * {length} + {index}"
    lines.append(f"addSynapse(i{len(scatters)}, {flat});")
    text, depth = [], 0
    for line in lines:
        text.append("    " * depth + line)
        depth += line.endswith("{")
    text += ["    " * level + "}" for level in range(depth - 1, -1, -1)]
    return "\n".join(text)


def kernel_size(scatters: tuple[Scatter, ...]) -> int:
    """The number of weights that connectivity_code's index runs over, in the C order of kernel_expression."""
    return prod(n for scatter in scatters for n in scatter.kernel_shape)


def kernel_expression(scatters: tuple[Scatter, ...]) -> str:
    """The kernel as a Python expression: the outer product of the maps' weights."""
    numbers = [s.weight for s in scatters if s.weight and not s.kernel_shape]
    arrays = [s.weight for s in scatters if s.kernel_shape]
    if not arrays:
        return f"np.full(1, {' * '.join(numbers) or '1.0'})"
    product = arrays[0]
    for array in arrays[1:]:
        product = f"np.multiply.outer({product}, {array})"
    return " * ".join([*numbers, product])
