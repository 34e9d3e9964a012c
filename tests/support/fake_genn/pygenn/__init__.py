"""A stand-in for PyGeNN with batches, in NumPy: GeNN's CPU backend has none, and not every machine a GPU.

It has what simulate.py calls, and GeNN's rules: a spike reaches its targets one step and the axonal delay
after it is emitted; variables are (batch, neurons), and exist when the model is loaded. Neurons are known by
their model's name; a synapse population's matrix comes from the file $FAKE_GENN_MATRICES.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tgenn_gen.runtime.random_numbers import uniform

VarAccess = SimpleNamespace(
    READ_ONLY="one a neuron",
    READ_ONLY_DUPLICATE="one a neuron and batch",
    READ_ONLY_SHARED_NEURON="one a batch",
)
VarAccessMode = SimpleNamespace(READ_ONLY="read only")
DTYPES = {"scalar": np.float32, "int": np.int32, "unsigned int": np.uint32}


def create_neuron_model(name, params, vars, **code):  # GeNN's name
    return SimpleNamespace(
        name=name,
        params=[p for p, _ in params],
        vars={v[0]: v[1:] for v in vars},
        code="".join(code.values()),
        get_derived_params=list,
    )


def create_weight_update_model(name, params=(), **code):
    return [SimpleNamespace(name=param) for param, _ in params]


def create_var_ref(group, variable):
    return group, variable


def create_sparse_connect_init_snippet(name, **code):
    return name


def create_toeplitz_connect_init_snippet(name, **code):
    return name


def init_var(name):
    return name


def init_postsynaptic(name):
    return name


def init_weight_update(model, params, variables, pre_var_refs=None):
    return [] if model == "StaticPulse" else model


def init_sparse_connectivity(snippet):
    return snippet


def init_toeplitz_connectivity(snippet):
    return snippet


class Variable:
    def __init__(self, neurons, value, kind, access=""):
        self.neurons, self.value, self.kind, self.access = neurons, value, kind, access

    def load(self, batch):
        shape = {VarAccess.READ_ONLY: (1, self.neurons), VarAccess.READ_ONLY_SHARED_NEURON: (batch, 1)}
        self.values = np.zeros(shape.get(self.access, (batch, self.neurons)), DTYPES[self.kind])
        self.values[:] = self.value
        self.on_device = self.values.copy()

    @property
    def current_view(self):
        return self.values

    view = current_view

    def push_to_device(self):
        self.on_device[:] = self.values

    def pull_from_device(self):
        self.values[:] = self.on_device


class NeuronGroup:
    def __init__(self, name, neurons, model, params, variables):
        assert sorted(params) == sorted(model.params) and sorted(variables) == sorted(model.vars)
        self.name, self.num_neurons, self.model, self.dynamic = name, neurons, model, set()
        self.params = {parameter: SimpleNamespace(value=value) for parameter, value in params.items()}
        self.vars = {n: Variable(neurons, value, *model.vars[n]) for n, value in variables.items()}
        self.history = []  # spikes of each step, (batch, neurons)

    def set_param_dynamic(self, name):
        self.dynamic.add(name)

    def set_dynamic_param_value(self, name, value):
        assert name in self.dynamic
        self.params[name].value = value

    def step(self, timestep, current):
        v = {name: variable.on_device for name, variable in self.vars.items()}
        p = {name: parameter.value for name, parameter in self.params.items()}
        code, timesteps = self.model.code, p["timesteps"]
        step = (timestep + (p["depth"] * (timesteps - 1) if "depth" in code else 0)) % timesteps
        kind = re.sub(r"_\d+$", "", self.model.name)  # models of one kind are numbered
        few_spike, maximum = "emitted" in code, kind.startswith("maximum")
        emitted = (step + 1) % timesteps if few_spike else step
        if emitted == 0:
            for latched in [name for name in v if name.startswith("last_")]:
                v[latched][:] = v[latched.removeprefix("last_")]
                v[latched.removeprefix("last_")][:] = 0
        if step == 0 and maximum:
            for name in self.trains(v):
                v[name][:] = 0
            if not few_spike:
                v["V"][:] = 0
        elif step == 0 and "threshold" in p:
            v["next_V" if few_spike else "V"][:] = self.start(v, p)
            for name in {"steps_left", "I_syn"} & v.keys():
                v[name][:] = 0
        elif step == 0 and "V" in v:
            v["V"][:] = 0
        current = current + v["I_const"]
        if maximum:
            before, largest = v["V"].copy(), self.largest(v, current, few_spike)
            if not few_spike or step == timesteps - 1:
                v["V"][:] = largest
        elif few_spike:
            v["next_V"] += 2.0 ** (timesteps - 1 - step) * current
            if step == timesteps - 1:
                v["V"][:] = v["next_V"]
        elif "1 <<" in code:
            v["V"] += 2.0 ** (timesteps - 1 - step) * current
        elif kind.startswith("leaky"):
            self.leak(v, p, current)
        elif "V" in v:
            v["V"] += p.get("gain", 1.0) * current
        start = int((re.findall(r"(?:step|emitted) (?:==|>=) (\d+)", code) or [0])[-1])
        if "spike_count" not in v:  # an output
            if start and step == start:
                v["V"][:] = current
            return
        weight = 2.0 ** (timesteps - 1 - emitted) if few_spike else 1.0
        spikes = v["V"] - before if maximum and not few_spike else self.spikes(v, p, current, step, weight)
        v["spike_count"] += (spikes != 0).astype(np.uint32)
        if "net_count" in v:
            v["net_count"] += spikes.astype(np.int32)
        if kind.endswith("_spike_count") and emitted >= start:
            v["read"] += weight * spikes
        elif kind.endswith("_first_spike") and emitted >= start:
            v["read"][(v["read"] == 0) & (spikes > 0)] = emitted - start + 1
        self.history.append(spikes)

    def start(self, v, p):
        if "key" in v:
            low, high = p["v_rest"], p["threshold"]
            return low + (high - low) * uniform(v["key"][:, 0], 2**32 - 1, (self.num_neurons,))
        return v["v_init"] if "v_init" in v else p["v_init"]

    def leak(self, v, p, current):
        """V of leaky neurons that are not refractory; V of the others stays."""
        if "I_syn" in v:
            v["I_syn"][:] = np.float32(p["syn_decay"]) * v["I_syn"] + current
            current = v["I_syn"]
        rest = np.float32(p.get("v_rest", 0.0))
        level = rest + (v["V"] - rest) * np.float32(p["decay"]) + np.float32(p.get("gain", 1.0)) * current
        self.refractory = v["steps_left"] > 0 if "steps_left" in v else np.zeros(level.shape, bool)
        v["V"][:] = np.where(self.refractory, v["V"], level)

    def trains(self, v):
        return sorted((name for name in v if re.fullmatch(r"n\d+", name)), key=lambda name: int(name[1:]))

    def largest(self, v, current, few_spike):
        """Take the trains' spikes, digits of the current, into their sums; the largest of these."""
        signed, digits = "sign" in v, np.rint(current).astype(int)
        base = 3 if signed else 2
        if signed:
            digits = digits + sum(3**train for train in range(len(self.trains(v))))
        for train, name in enumerate(self.trains(v)):
            digit = digits // base**train % base - (1 if signed else 0)
            v[name][:] = (2 * v[name] if few_spike else v[name]) + digit
        return np.max([v[name] for name in self.trains(v)], axis=0)

    def spikes(self, v, p, current, step, weight):
        """This step's spikes, with their sign; V is reset."""
        if self.model.name.startswith("poisson"):
            drawn = uniform(v["key"][:, 0], step, (self.num_neurons,))
            return (drawn < np.abs(current)) * np.sign(current)
        if self.model.name.startswith("spikes"):
            return current != 0
        threshold = weight * p.get("threshold", 1.0)
        spikes = (v["V"] >= threshold).astype(np.float32)
        if "steps_left" in v:
            spikes *= ~self.refractory
            v["steps_left"] -= self.refractory
            v["steps_left"][spikes != 0] = int(p["refractory_steps"])
        if "negative_threshold" in p:
            spikes -= (v["V"] < p["negative_threshold"]) & (v["net_count"] > 0)
        if "V -=" in self.model.code:
            v["V"] -= (threshold - p.get("v_rest", 0)) * spikes
        else:
            v["V"][spikes != 0] = p["v_rest"] if "V = v_rest;" in self.model.code else 0
        return spikes


class GeNNModel:
    def __init__(self, precision, name, backend):
        self.name, self.neuron_populations, self.synapse_populations, self.timestep = name, {}, {}, 0
        self.batch_size = 1
        self.matrices = np.load(os.environ["FAKE_GENN_MATRICES"])

    def add_neuron_population(self, name, neurons, model, params, variables):
        self.neuron_populations[name] = NeuronGroup(name, neurons, model, params, variables)
        return self.neuron_populations[name]

    def add_synapse_population(
        self, name, matrix_type, source, target, weights, postsynaptic, connectivity=None
    ):
        kernel = SimpleNamespace(set_init_values=lambda values: None, init_values=())
        synapses = SimpleNamespace(
            name=name, src=source, trg=target, matrix=self.matrices[name], axonal_delay_steps=0
        )
        synapses.params = {}  # GeNN has them, but for Python only their names
        synapses.wu_initialiser = SimpleNamespace(snippet=SimpleNamespace(get_params=lambda: weights))
        synapses.set_wu_param_dynamic = lambda name: synapses.params.update({name: None})
        synapses.set_dynamic_param_value = lambda name, value: synapses.params.update({name: value})
        synapses.vars = {"g": SimpleNamespace(extra_global_params={"kernel": kernel})}
        self.synapse_populations[name] = synapses
        return synapses

    def build(self, folder):
        Path(folder, f"{self.name}_CODE").mkdir(exist_ok=True)

    def load(self):
        for group in self.neuron_populations.values():
            for variable in group.vars.values():
                variable.load(self.batch_size)

    def step_time(self):
        groups = self.neuron_populations.values()
        currents = {g.name: np.zeros((self.batch_size, g.num_neurons), np.float32) for g in groups}
        for s in self.synapse_populations.values():
            p, arrive = s.params, len(s.src.history) > s.axonal_delay_steps
            if p:
                arrive &= (self.timestep + p["depth"] * (p["timesteps"] - 1)) % p["timesteps"] >= p["delay"]
            if arrive:
                currents[s.trg.name] += s.src.history[-1 - s.axonal_delay_steps] @ s.matrix
        for group in groups:
            group.step(self.timestep, currents[group.name])
        self.timestep += 1
