"""GeNN neuron models, made from the GeNN code of neurons, encodings and readouts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tgenn_gen.codegen.python_lines import list_lines
from tgenn_gen.network.genn_code import Updates

RESET_WIDTH = 80  # columns of the reset code in one line
INDENT = 4  # columns of indentation of an argument of a model in simulate.py


@dataclass(frozen=True)
class NeuronModelPlan:
    """A GeNN neuron model that one or more populations use; its code has `step`, the population's local step.

    identifier  its name in code
    params      the names of its parameters, without timesteps and depth, which all models have
    variables   (name, type, GeNN's access, start value) of each; access "" means read and write; a tensor,
                which has one value per neuron, has the start value ""
    sim_code    GeNN code of one step
    threshold   GeNN code of the condition for a spike; "" if it never spikes
    reset       GeNN code of the reset after a spike, one line or several
    params_lines    Python that declares the parameters in simulate.py
    """

    identifier: str
    params: tuple[str, ...]
    variables: tuple[tuple[str, str, str, str], ...]
    sim_code: str
    threshold: str
    reset: str
    params_lines: tuple[str, ...]


def neuron_model(
    identifier: str,
    updates: Updates,
    *,
    waits: bool = False,
    few_spike: bool = False,
    keeps_v: bool = False,
    readout: str = "",
    start: int = 0,
) -> NeuronModelPlan:
    """The GeNN neuron model for `updates`.

    waits      whether populations emit only after all steps of an example (few-spike code), so that their
               depth counts in examples
    few_spike  whether this model emits later than it receives
    keeps_v    whether V lasts from an example to the next; it starts where the parameter `fresh` is not 0
    readout    the readout of an output population; "" for all others
    start      the first step of an example that the readout uses
    """
    spikes = bool(updates.threshold)
    variables = [("I_const", "scalar", "READ_ONLY_DUPLICATE", "0.0")]
    if updates.random:
        variables.append(("key", "unsigned int", "READ_ONLY_SHARED_NEURON", "0"))
    variables += [(name, "scalar", "READ_ONLY", "") for name in updates.tensors]
    uses_v = re.search(r"\bV\b", " ".join((updates.update, updates.threshold, updates.start)))
    own = [("V", "scalar")] * bool(uses_v) + [*updates.variables]
    variables += [(name, kind, "", "0.0" if kind == "scalar" else "0") for name, kind in own]
    latch, after_spike = [], []
    if spikes:
        variables += [("spike_count", "unsigned int", "", "0"), ("last_spike_count", "unsigned int", "", "0")]
        latch += ["last_spike_count = spike_count;", "spike_count = 0;"]
        after_spike.append("spike_count++;")
    if updates.sign:
        variables += [("net_count", "int", "", "0"), ("last_net_count", "int", "", "0")]
        latch += ["last_net_count = net_count;", "net_count = 0;"]
        after_spike.append(f"net_count += (int){updates.sign};")
    if readout == "membrane":
        variables.append(("last_V", "scalar", "", "0.0"))
        latch.append("last_V = V;")
    elif readout:
        variables += [("read", "scalar", "", "0.0"), ("last_read", "scalar", "", "0.0")]
        latch += ["last_read = read;", "read = 0.0;"]
    clock = "emitted" if few_spike else "step"
    before_update = []
    late = f"{clock} >= {start}" if start else ""
    if readout == "membrane":
        before_update += [f"if(step == {start}) {{ V = 0.0; }}"] if start else []
    elif readout == "spike_count":
        value = "(scalar)(1 << (timesteps - 1 - emitted))" if few_spike else "1.0"
        value = updates.sign or value
        after_spike.append(f"read += {value};" if not late else f"if({late}) {{ read += {value}; }}")
    elif readout == "first_spike":
        first = f"(scalar)({clock} - {start} + 1)" if start else f"(scalar)({clock} + 1)"
        conditions = [late, f"{updates.sign} > 0.0" if updates.sign else "", "read == 0.0"]
        condition = " && ".join(c for c in conditions if c)
        after_spike.append(f"if({condition}) {{ read = {first}; }}")

    beginning = "// a new example: store the last result"
    late_by = "" if waits else " + depth * (timesteps - 1)"  # a multiple of timesteps - depth
    now = f"((int)round(t / dt){late_by})" if late_by else "(int)round(t / dt)"
    lines = [] if waits else ["// this population's local step: (global step - depth) modulo timesteps"]
    lines.append(f"const int step = {now} % timesteps;")
    if few_spike:
        lines += [
            "const int emitted = (step + 1) % timesteps;  // the step that its spikes belong to",
            *_block(f"if(emitted == 0) {{  {beginning}", latch),
            *_block("if(step == 0) {", updates.start.splitlines()),
        ]
    elif keeps_v:
        lines += _block(f"if(step == 0) {{  {beginning}", latch)
        lines += _block("if(step == 0 && fresh != 0.0) {  // a new stream", updates.start.splitlines())
    elif updates.start or latch:
        lines += _block(f"if(step == 0) {{  {beginning}, then reset", [*latch, *updates.start.splitlines()])
    lines += [*before_update, "const scalar I = Isyn + I_const;", *updates.update.splitlines()]
    # the reset code computes the sign, which the counters need
    reset = [*([updates.reset] if updates.reset else []), *after_spike]
    params = (*(["fresh"] if keeps_v else []), *(name for name, _ in updates.params))
    declared = ["*CLOCK", *(f'("{name}", "scalar")' for name in params)]
    params_lines = list_lines("params=", declared, ",", indent=INDENT) if params else ("params=CLOCK,",)
    return NeuronModelPlan(
        identifier=identifier,
        params=params,
        variables=tuple(variables),
        sim_code="\n".join(lines),
        threshold=updates.threshold,
        reset=("\n" if sum(map(len, reset)) > RESET_WIDTH else " ").join(reset),
        params_lines=params_lines,
    )


def _block(opening: str, lines: list[str]) -> list[str]:
    return [opening, *(f"    {line}" for line in lines), "}"] if lines else []
