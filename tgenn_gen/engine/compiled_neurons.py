"""The neurons of :mod:`tgenn_gen.runtime.neuron_updates`, compiled: the same numbers, bit for bit."""

from __future__ import annotations

from math import prod

import numpy as np

from tgenn_gen.engine.compilation import compiled
from tgenn_gen.runtime import neuron_updates
from tgenn_gen.runtime.neuron_updates import state_of

BLOCK = 2**10  # neurons that are updated for all steps at a time: their state fits the nearest cache


class CompiledIntegrateAndFire(neuron_updates.IntegrateAndFire):
    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        self.v = state_of(self.v, current)
        spikes, course = np.empty((steps, *self.v.shape), bool), _course(self.v, steps, v_course)
        subtract, fall = self.reset == "subtract", self.threshold - self.v_rest
        how = (self.threshold, self.gain, subtract, fall, self.v_rest)
        _integrate_and_fire(_flat(current), self.v.reshape(-1), _flat(spikes), _flat(course), *how)
        return spikes


class CompiledLeakyIntegrateAndFire(neuron_updates.LeakyIntegrateAndFire):
    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        self.v, self.steps_left = state_of(self.v, current), state_of(self.steps_left, current)
        self.i_syn = state_of(self.i_syn, current)
        spikes, course = np.empty((steps, *self.v.shape), bool), _course(self.v, steps, v_course)
        state = self.v.reshape(-1), self.i_syn.reshape(-1), self.steps_left.reshape(-1)
        synaptic, syn_decay = self.syn_decay is not None, self.syn_decay or np.float32(0)
        leak = (self.decay, self.v_rest, self.gain, synaptic, syn_decay)
        subtract, fall = self.reset == "subtract", self.threshold - self.v_rest
        spike = (self.threshold, subtract, fall, self.refractory_steps)
        _leaky_integrate_and_fire(_flat(current), *state, _flat(spikes), _flat(course), *leak, *spike)
        return spikes


class CompiledSignedIntegrateAndFire(neuron_updates.SignedIntegrateAndFire):
    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        self.v, self.sum = state_of(self.v, current), state_of(self.sum, current)
        spikes, course = np.empty((steps, *self.v.shape), np.int8), _course(self.v, steps, v_course)
        state = self.v.reshape(-1), self.sum.reshape(-1)
        how = (self.threshold, self.negative_threshold)
        _signed_integrate_and_fire(_flat(current), *state, _flat(spikes), _flat(course), *how)
        return spikes


class CompiledFewSpike(neuron_updates.FewSpike):
    def run(self, current: np.ndarray, steps: int, v_course: list[np.ndarray] | None = None) -> np.ndarray:
        if v_course is not None:  # which no compiled function records
            return super().run(current, steps, v_course)
        v = state_of(self.v_init, current)
        values = np.empty((1, *v.shape), np.uint16)
        _few_spike(
            _flat(current)[0], v.reshape(-1), values.reshape(-1), float(self.threshold), 2.0**steps - 1
        )
        return values


def spike_counts(emitted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`tgenn_gen.runtime.numpy_batch.spike_counts`."""
    counts, sums = np.empty(emitted.shape[1:], np.uint32), np.empty(emitted.shape[1:], np.int32)
    if emitted.dtype == np.uint16:
        _count_digits(emitted.reshape(-1), counts.reshape(-1))
        return counts, counts.view(np.int32)
    _count(_flat(emitted), counts.reshape(-1), sums.reshape(-1))
    return counts, sums


def _course(v: np.ndarray, steps: int, v_course: list[np.ndarray] | None) -> np.ndarray:
    """An array for V after each step, (steps, batch, ...), which v_course gets; without steps for None."""
    course = np.empty((0 if v_course is None else steps, *v.shape), np.float32)
    if v_course is not None:
        v_course.extend(course)
    return course


def _flat(x: np.ndarray) -> np.ndarray:
    """x (steps, batch, ...) as (steps, neurons of all examples); spikes as int8."""
    flat = np.ascontiguousarray(x).reshape(len(x), prod(x.shape[1:]))
    return flat.view(np.int8) if flat.dtype == bool else flat


@compiled
def _integrate_and_fire(  # type: ignore[no-untyped-def]
    current, v, spikes, course, threshold, gain, subtract, fall, rest
):
    for start in range(0, len(v), BLOCK):
        potential = v[start : start + BLOCK]
        for step in range(len(spikes)):
            arriving = current[step % len(current), start : start + BLOCK]
            emitted = spikes[step, start : start + BLOCK]
            if subtract:
                for i in range(len(potential)):
                    level = potential[i] + gain * arriving[i]
                    spike = level >= threshold
                    emitted[i] = spike
                    potential[i] = level - fall * np.float32(spike)
            else:
                for i in range(len(potential)):
                    level = potential[i] + gain * arriving[i]
                    spike = level >= threshold
                    emitted[i] = spike
                    potential[i] = rest if spike else level
            if len(course):
                course[step, start : start + BLOCK] = potential


@compiled
def _leaky_integrate_and_fire(  # type: ignore[no-untyped-def]
    current,
    v,
    i_syn,
    steps_left,
    spikes,
    course,
    decay,
    rest,
    gain,
    synaptic,
    syn_decay,
    threshold,
    subtract,
    fall,
    refractory_steps,
):
    for start in range(0, len(v), BLOCK):
        potential, left = v[start : start + BLOCK], steps_left[start : start + BLOCK]
        filtered = i_syn[start : start + BLOCK]
        for step in range(len(spikes)):
            arriving = current[step % len(current), start : start + BLOCK]
            emitted = spikes[step, start : start + BLOCK]
            if synaptic:
                for i in range(len(filtered)):
                    filtered[i] = filtered[i] * syn_decay + arriving[i]
                arriving = filtered
            for i in range(len(potential)):
                level = (potential[i] - rest) * decay + rest + gain * arriving[i]
                if refractory_steps > 0:
                    waits = left[i] > 0
                    spike = (level >= threshold) & (not waits)
                    level = potential[i] if waits else level
                    left[i] = refractory_steps if spike else left[i] - np.float32(waits)
                else:
                    spike = level >= threshold
                emitted[i] = spike
                if subtract:
                    potential[i] = level - fall * np.float32(spike)
                else:
                    potential[i] = rest if spike else level
            if len(course):
                course[step, start : start + BLOCK] = potential


@compiled
def _signed_integrate_and_fire(  # type: ignore[no-untyped-def]
    current, v, total, spikes, course, threshold, negative_threshold
):
    for start in range(0, len(v), BLOCK):
        potential, balance = v[start : start + BLOCK], total[start : start + BLOCK]
        for step in range(len(spikes)):
            arriving = current[step % len(current), start : start + BLOCK]
            emitted = spikes[step, start : start + BLOCK]
            for i in range(len(potential)):
                level = potential[i] + arriving[i]
                back = (level < negative_threshold) & (balance[i] > 0)
                spike = np.float32(level >= threshold) - np.float32(back)
                emitted[i] = np.int8(spike)
                potential[i] = level - threshold * spike
                balance[i] += spike
            if len(course):
                course[step, start : start + BLOCK] = potential


@compiled
def _few_spike(current, v, values, threshold, largest):  # type: ignore[no-untyped-def]
    for i in range(len(v)):
        level = np.float64(v[i] + current[i]) / threshold
        values[i] = np.uint16(min(max(level, 0.0), largest))


@compiled
def _count_digits(values, counts):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        pairs = values[i] - ((values[i] >> 1) & 0x5555)
        fours = (pairs & 0x3333) + ((pairs >> 2) & 0x3333)
        eights = (fours + (fours >> 4)) & 0x0F0F
        counts[i] = (eights + (eights >> 8)) & 0x1F


@compiled
def _count(spikes, counts, sums):  # type: ignore[no-untyped-def]
    for start in range(0, len(counts), BLOCK):
        count, total = counts[start : start + BLOCK], sums[start : start + BLOCK]
        count[:] = 0
        total[:] = 0
        for step in range(len(spikes)):
            emitted = spikes[step, start : start + BLOCK]
            for i in range(len(count)):
                count[i] += emitted[i] != 0
                total[i] += emitted[i]
