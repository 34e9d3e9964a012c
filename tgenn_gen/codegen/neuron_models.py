"""GeNN neuron models, put together from what neurons, encodings and readouts say in GeNN code."""

from __future__ import annotations

from dataclasses import dataclass

from tgenn_gen.network.genn_code import Updates


@dataclass(frozen=True)
class NeuronModelPlan:
    """A GeNN neuron model that one or more populations use; its code has `step`, the population's local step.

    identifier  its name in code
    params      the names of its parameters, but for timesteps and phase, which all models have
    variables   (name, type, GeNN's access, "" for read and write, start value) of each; a tensor, one value
                a neuron, has the start value ""
    sim_code    GeNN code of one step
    threshold   the condition for a spike, GeNN code; "" where it never spikes
    reset       what a spike does, GeNN code
    """

    identifier: str
    params: tuple[str, ...]
    variables: tuple[tuple[str, str, str, str], ...]
    sim_code: str
    threshold: str
    reset: str


def neuron_model(
    identifier: str, updates: Updates, *, few_spike: bool = False, readout: str = "", start: int = 0
) -> NeuronModelPlan:
    """The model for `updates`; few_spike: whether it emits later than it receives.

    readout, start: those of the output population, "" for all others.
    """
    spikes = bool(updates.threshold)
    variables = [("I_const", "scalar", "READ_ONLY_DUPLICATE", "0.0")]
    if updates.random:
        variables.append(("key", "unsigned int", "READ_ONLY_SHARED_NEURON", "0"))
    variables += [(name, "scalar", "READ_ONLY", "") for name in updates.tensors]
    variables += [(name, kind, "", "0") for name, kind in (("V", "scalar"), *updates.variables)]
    latch, after_spike = [], []
    if spikes:
        variables += [("spike_count", "unsigned int", "", "0"), ("last_spike_count", "unsigned int", "", "0")]
        latch += ["last_spike_count = spike_count;", "spike_count = 0;"]
        after_spike.append("spike_count++;")
    if readout:
        variables += [("read", "scalar", "", "0.0"), ("last_read", "scalar", "", "0.0")]
        latch += ["last_read = read;", "read = 0.0;"]
    clock = "emitted" if few_spike else "step"
    after_update, before_update = [], []
    late = f"{clock} >= {start}" if start else ""
    if readout == "membrane":
        before_update += [f"if(step == {start}) {{ V = 0.0; }}"] if start else []
        after_update.append(f"read = ({late}) ? V : 0.0;" if late else "read = V;")
    elif readout == "spike_count":
        value = "(scalar)(1 << (timesteps - 1 - emitted))" if few_spike else "1.0"
        value = updates.sign or value
        after_spike.append(f"read += {value};" if not late else f"if({late}) {{ read += {value}; }}")
    elif readout == "first_spike":
        first = f"(scalar)({clock} - {start} + 1)" if start else f"(scalar)({clock} + 1)"
        conditions = [late, f"{updates.sign} > 0.0" if updates.sign else "", "read == 0.0"]
        condition = " && ".join(c for c in conditions if c)
        after_spike.append(f"if({condition}) {{ read = {first}; }}")

    beginning = "// a new example: latch the result of the last one"
    lines = ["const int step = ((int)round(t / dt) + phase) % timesteps;  // this population's local step"]
    if few_spike:
        lines += [
            "const int emitted = (step + 1) % timesteps;  // the step that its spikes are of",
            *_block(f"if(emitted == 0) {{  {beginning}", latch),
            *_block("if(step == 0) {", updates.start.splitlines()),
        ]
    elif updates.start or latch:
        lines += _block(f"if(step == 0) {{  {beginning}, start afresh", [*latch, *updates.start.splitlines()])
    lines += [*before_update, "const scalar I = Isyn + I_const;", *updates.update.splitlines(), *after_update]
    return NeuronModelPlan(
        identifier=identifier,
        params=tuple(name for name, _ in updates.params),
        variables=tuple(variables),
        sim_code="\n".join(lines),
        threshold=updates.threshold,
        # the sign has to be known before what counts it
        reset=" ".join([*([updates.reset] if updates.reset else []), *after_spike]),
    )


def _block(opening: str, lines: list[str]) -> list[str]:
    return [opening, *(f"    {line}" for line in lines), "}"] if lines else []
