"""Pieces of GeNN code (GeNN's C-like language): what ops and neurons are translated to.

A chain of linear maps becomes one connectivity initializer. Each map contributes a Scatter: loops over the
output elements that one input element feeds. Nested, these loops go from a presynaptic neuron to its
postsynaptic neurons, and call addSynapse once for each path. GeNN runs them once, to build a SPARSE
matrix (row_build_code), or at every spike, with no matrix at all (TOEPLITZ, diagonal_build_code).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import gcd, prod

WIDTH, MIN_WIDTH = 92, 60  # columns of a line of code; at least MIN_WIDTH where it is deeply nested


@dataclass(frozen=True)
class Loop:
    """A loop over `index` from `first` to `last` (expressions), with at most `count` turns."""

    index: str
    first: str
    last: str
    count: int

    @classmethod
    def over(cls, index: str, count: int) -> Loop:
        """A loop from 0 to count - 1."""
        return cls(index, "0", str(count - 1), count)

    @property
    def row_line(self) -> str:
        """The line that opens the loop."""
        return f"for(int {self.index} = {self.first}; {self.index} <= {self.last}; {self.index}++) {{"

    def turn_lines(self, turn: str) -> tuple[str, ...]:
        """The lines for one turn, number `turn` (an expression), if there is such a turn; "" for turn 0."""
        if self == Loop.over(self.index, self.count):
            return (f"const int {self.index} = {turn or '0'};",)
        first = f"{self.first} + {turn}" if turn else self.first
        return (f"const int {self.index} = {first};", f"if({self.index} <= {self.last}) {{")


@dataclass(frozen=True)
class Scatter:
    """One map's part of a connectivity initializer.

    lines          opening code. Reads the flat input index i<level>, defines i<level + 1>; each loop, and
                   each line that ends in "{", opens a block, which the caller closes
    kernel_index   indices into the map's weight array, as code; () if it has no weights
    kernel_shape   the shape of that array
    weight         the array, as an expression of :mod:`tgenn_gen.runtime.kernels`; "" if it has no weights
    factor         a number that multiplies all its weights
    """

    lines: tuple[str | Loop, ...] = ()
    kernel_index: tuple[str, ...] = ()
    kernel_shape: tuple[int, ...] = ()
    weight: str = ""
    factor: float = 1.0


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
    tensors     fields with one value for each neuron: READ_ONLY variables of the same name
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
) -> tuple[str | Loop, ...]:
    """Code: run `target` over the windows of one axis that contain input `index`; `tap` is its place there.

    Output o covers the inputs o * stride - before ... o * stride - before + window - 1.
    """
    shifted, earlier = plus(index, before), plus(index, before + stride - window)
    by_stride = f" / {stride}" if stride > 1 else ""
    first = f"max(0, {earlier}){by_stride}" if window > stride else _divided(earlier, stride)
    last = f"min({outputs - 1}, {_divided(shifted, stride)})"
    times_stride = f" * {stride}" if stride > 1 else ""
    return (
        Loop(target, first, last, min(outputs, -(-window // stride))),
        f"const int {tap} = {shifted} - {target}{times_stride};",
    )


def plus(index: str, number: int) -> str:
    """index + number, as code."""
    return f"{index} {'+' if number > 0 else '-'} {abs(number)}" if number else index


def _divided(value: str, divisor: int) -> str:
    """value / divisor, as code."""
    if divisor == 1:
        return value
    return f"({value}) / {divisor}" if " " in value else f"{value} / {divisor}"


def dilated_window_loop(
    index: str, target: str, tap: str, window: int, stride: int, dilation: int, before: int, outputs: int
) -> tuple[str | Loop, ...]:
    """Like window_loop, for windows whose elements are `dilation` apart.

    Output o covers the inputs o * stride - before + k * dilation, k from 0 to window - 1.
    """
    shifted = f"{index} + {before}" if before else index
    start = f"{shifted} - {tap} * {dilation}"
    if stride == 1:
        return (
            Loop.over(tap, window),
            f"const int {target} = {start};",
            f"if({target} >= 0 && {target} < {outputs}) {{",
        )
    # Of the taps, those that fall on a multiple of the stride are `apart` from one to the next.
    common = gcd(stride, dilation)
    apart, nth = stride // common, f"nth_{tap}"
    lines: tuple[str | Loop, ...] = (Loop.over(tap, window),)
    inside = f"start_{target} >= 0 && {target} * {stride} == start_{target} && {target} < {outputs}"
    if apart > 1:
        inverse = pow(dilation // common, -1, apart)
        first = f"({shifted}) / {common} * {inverse} % {apart}"
        lines = (
            Loop.over(nth, -(-window // apart)),
            f"const int {tap} = {first} + {nth} * {apart};",
        )
        inside = f"{tap} < {window} && {inside}"
    return (
        *lines,
        f"const int start_{target} = {start};",
        f"const int {target} = start_{target} / {stride};",
        f"if({inside}) {{",
    )


def transposed_window_loop(
    index: str, target: str, tap: str, window: int, stride: int, dilation: int, before: int, outputs: int
) -> tuple[str | Loop, ...]:
    """Code: the outputs that input `index` feeds: index * stride + tap * dilation - before.

    It runs `tap` over the window, and skips results that are not 0 to outputs - 1.
    """
    by_stride = f" * {stride}" if stride > 1 else ""
    by_dilation = f" * {dilation}" if dilation > 1 else ""
    return (
        Loop.over(tap, window),
        f"const int {target} = {index}{by_stride} + {tap}{by_dilation} - {before};",
        f"if({target} >= 0 && {target} < {outputs}) {{",
    )


def row_build_code(scatters: tuple[Scatter, ...]) -> str:
    """Row build code of a SPARSE matrix: addSynapse(id_post, kernel index) for each synapse of id_pre."""
    lines = ["const int i0 = (int)id_pre;"]
    for scatter in scatters:
        lines += [line.row_line if isinstance(line, Loop) else line for line in scatter.lines]
    loops = [line.index for scatter in scatters for line in scatter.lines if isinstance(line, Loop)]
    return _indented([*lines, _add_synapse(scatters, *loops[-1:])])


def diagonal_build_code(scatters: tuple[Scatter, ...]) -> str:
    """Diagonal build code of a TOEPLITZ matrix: the synapse number id_diag of each neuron that spikes.

    id_diag runs from 0 to fan_out(scatters) - 1: over the turns of all loops, the innermost loop fastest.
    """
    outside = ["// id_diag stands for a turn of each loop over the postsynaptic neurons of one that spikes"]
    inside = ["const int i0 = (int)id_pre;"]
    faster = fan_out(scatters)
    for scatter in scatters:
        for line in scatter.lines:
            if isinstance(line, str):
                inside.append(line)
                continue
            slower, faster = faster, faster // line.count
            turn = ""
            if line.count > 1:
                turn = f"turn_{line.index}"
                index = f"(int)id_diag / {faster}" if faster > 1 else "(int)id_diag"
                if slower < fan_out(scatters):
                    index = f"({index}) % {line.count}"
                outside.append(f"const int {turn} = {index};")
            inside += line.turn_lines(turn)
    return _indented([*outside, "for_each_synapse {", *inside, _add_synapse(scatters)])


def fan_out(scatters: tuple[Scatter, ...]) -> int:
    """The largest number of synapses of a presynaptic neuron: the product of the turns of all loops."""
    return prod(line.count for scatter in scatters for line in scatter.lines if isinstance(line, Loop))


def _add_synapse(scatters: tuple[Scatter, ...], innermost: str = "") -> str:
    """The call for one synapse. innermost: the index of the innermost loop.

    Where the weights of that loop are consecutive, max(0, ...) tells the C++ compiler that their index, an
    unsigned int, does not wrap around: only then it uses vector instructions.
    """
    # One flat index: GeNN cannot build a model whose connections have kernels of different rank.
    flat = "0"
    for scatter in scatters:
        for index, length in zip(scatter.kernel_index, scatter.kernel_shape, strict=True):
            nested = f"({flat})" if " " in flat else flat
            if index == innermost and nested != flat:
                nested = f"max(0, {flat})"
            flat = index if flat == "0" else f"{nested} * {length} + {index}"
    return f"addSynapse(i{len(scatters)}, {flat});"


def _indented(lines: list[str]) -> str:
    """The lines that are needed, with indented blocks, which are closed at the end."""
    text, depth = [], 0
    for line in _needed(lines):
        width = max(WIDTH - 4 * depth, MIN_WIDTH)
        text += ["    " * depth + part for part in _broken(line, width)]
        depth += line.endswith("{")
    return "\n".join([*text, *("    " * level + "}" for level in range(depth - 1, -1, -1))])


def _broken(line: str, width: int) -> list[str]:
    """A line of code, broken into parts of at most `width` columns if it has places to break."""
    parts = []
    while len(line) > width:
        places = [line.rfind(mark, 8, width) + shift for mark, shift in ((" + ", 0), (" && ", 0), ("; ", 1))]
        place = max((p for p in places if p > 8), default=0)
        if not place or line.startswith("//"):
            break
        parts.append(line[:place])
        line = f"    {line[place:].lstrip()}"
    return [*parts, line]


def _needed(lines: list[str]) -> list[str]:
    """The lines without definitions of unused variables: not every map needs all indices of its window."""
    needed: list[str] = []
    for line in reversed(lines):
        definition = re.match(r"const int (\w+) = ", line)
        if definition is None or re.search(rf"\b{definition[1]}\b", "\n".join(needed)):
            needed.append(line)
    return needed[::-1]


def kernel_size(scatters: tuple[Scatter, ...]) -> int:
    """The number of weights that the kernel index can address, in the C order of kernel_expression."""
    return prod(n for scatter in scatters for n in scatter.kernel_shape)


def kernel_expression(scatters: tuple[Scatter, ...]) -> str:
    """The kernel, the outer product of the maps' weights: calls of :mod:`tgenn_gen.runtime.kernels`.

    The generated C++ has functions of the same names: an expression means the same in both languages.
    """
    factor = prod(s.factor for s in scatters)
    arrays = [s.weight for s in scatters if s.weight]
    if not arrays:
        return f"constant({factor!r})"
    product = arrays[0]
    for array in arrays[1:]:
        product = f"outer({product}, {array})"
    return product if factor == 1 else f"scaled({factor!r}, {product})"
