"""A stand-in for PyGeNN with batches, in NumPy: GeNN's CPU backend has none, and not every machine a GPU.

It has what simulate.py calls, and GeNN's rules: a spike reaches its targets one step and the axonal delay
after it is emitted; variables are (batch, neurons); recorded spikes are those of the last
`num_recording_timesteps` steps. Neurons are known by their model's name; a synapse population's matrix
comes from the file $FAKE_GENN_MATRICES.
"""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np

VarAccess = SimpleNamespace(READ_ONLY_DUPLICATE="one for each batch")


def create_neuron_model(name, params, vars, **code):  # GeNN's name
    return SimpleNamespace(name=name, params=[p for p, _ in params], vars=[v[0] for v in vars])


def create_sparse_connect_init_snippet(name, **code):
    return name


def init_var(name):
    return name


def init_postsynaptic(name):
    return name


def init_weight_update(name, params, variables):
    return name


def init_sparse_connectivity(snippet):
    return snippet


class Variable:
    def __init__(self, batch, neurons, value):
        self.values = np.full((batch, neurons), value, np.float32)
        self.on_device = self.values.copy()
        self.extra_global_params = {"kernel": SimpleNamespace(set_init_values=lambda values: None)}

    @property
    def current_view(self):
        return self.values

    def push_to_device(self):
        self.on_device[:] = self.values

    def pull_from_device(self):
        self.values[:] = self.on_device


class NeuronGroup:
    spike_recording_enabled = False

    def __init__(self, batch, neurons, model, params, variables):
        assert sorted(params) == sorted(model.params) and sorted(variables) == sorted(model.vars)
        self.num_neurons, self.model, self.params, self.dynamic = neurons, model, dict(params), set()
        self.vars = {name: Variable(batch, neurons, value) for name, value in variables.items()}
        self.history = []  # spikes of each step, (batch, neurons)
        self.recorded = []

    def set_param_dynamic(self, name):
        self.dynamic.add(name)

    def set_dynamic_param_value(self, name, value):
        assert name in self.dynamic
        self.params[name] = value

    def step(self, timestep, current):
        v = {name: variable.on_device for name, variable in self.vars.items()}
        spiking, kind = "spike_count" in v, self.model.name
        if (timestep + self.params["phase"]) % self.params["timesteps"] == 0:
            for latched in [name for name in v if name.startswith("last_")]:
                v[latched][:] = v[latched.removeprefix("last_")]
                v[latched.removeprefix("last_")][:] = 0
            v["V"][:] = self.params.get("v_init", 0)
        v["V"] += current + v["I_const"]
        if spiking:
            spikes = v["V"] >= self.params["threshold"]
            v["spike_count"] += spikes
            if "read" in v:
                v["read"] += spikes
            if "subtract" in kind:
                v["V"] -= self.params["threshold"] * spikes
            else:
                v["V"][spikes] = 0
            self.history.append(spikes)
        else:
            v["read"][:] = v["V"]


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
                window = np.array(group.history[-self.num_recording_timesteps :])
                group.recorded = [np.nonzero(window[:, b]) for b in range(self.batch_size)]
                group.spike_recording_data = [(steps * self.dt, neurons) for steps, neurons in group.recorded]
