"""A stand-in for PyGeNN with batches, in NumPy: GeNN's CPU backend has none, and not every machine a GPU.

It has what simulate.py calls, and GeNN's rules: a spike reaches its targets one step and the axonal delay
after it is emitted; variables are (batch, neurons); recorded spikes are those of the last
`num_recording_timesteps` steps. Neurons are known by their model's name; a synapse population's matrix
comes from the file $FAKE_GENN_MATRICES.
"""

from __future__ import annotations

import os
import re
from types import SimpleNamespace

import numpy as np

from tgenn_gen.runtime.random_numbers import uniform

VarAccess = SimpleNamespace(
    READ_ONLY="one a neuron",
    READ_ONLY_DUPLICATE="one a neuron and batch",
    READ_ONLY_SHARED_NEURON="one a batch",
)
VarAccessMode = SimpleNamespace(READ_ONLY="read only")


def create_neuron_model(name, params, vars, **code):  # GeNN's name
    access = {v[0]: v[2] if len(v) > 2 else "" for v in vars}
    return SimpleNamespace(name=name, params=[p for p, _ in params], vars=[*access], access=access, **code)


def create_weight_update_model(name, **code):
    return name


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


def init_weight_update(name, params, variables, pre_var_refs=None):
    return name


def init_sparse_connectivity(snippet):
    return snippet


def init_toeplitz_connectivity(snippet):
    return snippet


class Variable:
    def __init__(self, batch, neurons, value, access=""):
        shape = {VarAccess.READ_ONLY: (1, neurons), VarAccess.READ_ONLY_SHARED_NEURON: (batch, 1)}
        dtype = np.uint32 if access == VarAccess.READ_ONLY_SHARED_NEURON else np.float32
        self.values = np.zeros(shape.get(access, (batch, neurons)), dtype)
        self.values[:] = value
        self.on_device = self.values.copy()
        self.extra_global_params = {"kernel": SimpleNamespace(set_init_values=lambda values: None)}

    @property
    def current_view(self):
        return self.values

    view = current_view

    def push_to_device(self):
        self.on_device[:] = self.values

    def pull_from_device(self):
        self.values[:] = self.on_device


class NeuronGroup:
    spike_recording_enabled = False

    def __init__(self, batch, neurons, model, params, variables):
        assert sorted(params) == sorted(model.params) and sorted(variables) == sorted(model.vars)
        self.num_neurons, self.model, self.params, self.dynamic = neurons, model, dict(params), set()
        self.vars = {n: Variable(batch, neurons, v, model.access[n]) for n, v in variables.items()}
        self.history = []  # spikes of each step, (batch, neurons)
        self.recorded = []

    def set_param_dynamic(self, name):
        self.dynamic.add(name)

    def set_dynamic_param_value(self, name, value):
        assert name in self.dynamic
        self.params[name] = value

    def step(self, timestep, current):
        v = {name: variable.on_device for name, variable in self.vars.items()}
        p, timesteps = self.params, self.params["timesteps"]
        step = (timestep + p["phase"]) % timesteps
        kind = re.sub(r"_\d+$", "", self.model.name)  # models of one kind are numbered
        few_spike = kind.startswith("few_spike") or "emitted" in self.model.sim_code
        maximum = kind.startswith("maximum")
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
            v["next_V" if few_spike else "V"][:] = self.start(v)
            if "sum" in v:
                v["sum"][:] = 0
        elif step == 0:
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
        elif "1 <<" in self.model.sim_code:
            v["V"] += 2.0 ** (timesteps - 1 - step) * current
        else:
            v["V"] += p.get("gain", 1.0) * current
        start = int(
            (re.findall(r"(?:step|emitted) (?:==|>=) (\d+)", self.model.sim_code + self.reset) or [0])[-1]
        )
        if "spike_count" not in v:
            if start and step == start:
                v["V"][:] = current
            if "read" in v:  # an output
                v["read"][:] = v["V"] if step >= start else 0
            return
        weight = 2.0 ** (timesteps - 1 - emitted) if few_spike else 1.0
        spikes = v["V"] - before if maximum and not few_spike else self.spikes(v, current, step, weight)
        v["spike_count"] += spikes != 0
        if kind.endswith("_spike_count") and emitted >= start:
            v["read"] += weight * spikes
        elif kind.endswith("_first_spike") and emitted >= start:
            v["read"][(v["read"] == 0) & (spikes > 0)] = emitted - start + 1
        self.history.append(spikes)

    @property
    def reset(self):
        return getattr(self.model, "reset_code", "")

    def start(self, v):
        if "key" in v:
            low, high = self.params["v_rest"], self.params["threshold"]
            return low + (high - low) * uniform(v["key"][:, 0], 2**32 - 1, (self.num_neurons,))
        return v["v_init"] if "v_init" in v else self.params["v_init"]

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

    def spikes(self, v, current, step, weight):
        """This step's spikes, with their sign; V is reset."""
        if self.model.name.startswith("poisson"):
            drawn = uniform(v["key"][:, 0], step, (self.num_neurons,))
            return (drawn < np.abs(current)) * np.sign(current)
        if self.model.name.startswith("spikes"):
            return current != 0
        threshold = weight * self.params.get("threshold", 1.0)
        spikes = (v["V"] >= threshold).astype(np.float32)
        if "sum" in v:
            spikes -= (v["V"] < self.params["negative_threshold"]) & (v["sum"] > 0)
            v["sum"] += spikes
        if "V -=" in self.reset:
            v["V"] -= (threshold - self.params.get("v_rest", 0)) * spikes
        else:
            v["V"][spikes != 0] = self.params["v_rest"] if "V = v_rest" in self.reset else 0
        return spikes


class GeNNModel:
    def __init__(self, precision, name, backend):
        self.groups, self.synapses, self.timestep = {}, [], 0
        self.matrices = np.load(os.environ["FAKE_GENN_MATRICES"])

    def add_neuron_population(self, name, neurons, model, params, variables):
        self.groups[name] = NeuronGroup(self.batch_size, neurons, model, params, variables)
        return self.groups[name]

    def add_synapse_population(
        self, name, matrix_type, source, target, weights, postsynaptic, connectivity=None
    ):
        synapses = SimpleNamespace(
            source=source, target=target, matrix=self.matrices[name], axonal_delay_steps=0
        )
        synapses.vars = {"g": Variable(1, 1, 0)}
        self.synapses.append(synapses)
        return synapses

    def build(self, folder):
        pass

    def load(self, num_recording_timesteps):
        self.num_recording_timesteps = num_recording_timesteps

    def step_time(self):
        currents = {
            group: np.zeros((self.batch_size, group.num_neurons), np.float32)
            for group in self.groups.values()
        }
        for s in self.synapses:
            if len(s.source.history) > s.axonal_delay_steps:
                currents[s.target] += s.source.history[-1 - s.axonal_delay_steps] @ s.matrix
        for group, current in currents.items():
            group.step(self.timestep, current)
        self.timestep += 1

    def pull_recording_buffers_from_device(self):
        for group in self.groups.values():
            if group.spike_recording_enabled:
                window = np.array(group.history[-self.num_recording_timesteps :]) != 0
                group.recorded = [np.nonzero(window[:, b]) for b in range(self.batch_size)]
                group.spike_recording_data = [(steps * self.dt, neurons) for steps, neurons in group.recorded]
