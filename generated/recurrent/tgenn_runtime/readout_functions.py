"""Readouts of an output population, in NumPy.

A read_... function gives the value that is read after each step from `course`, what the population emitted
(steps, batch, *shape), without the first `start` steps. mean_per_step and earliest turn it into the logits,
in the units of the ANN's activations. activated applies the function of the ANN's output to them: softmax,
sigmoid, tanh, or None. decisions reads classes from them.
"""

from __future__ import annotations

import numpy as np


def each_step(values: np.ndarray, course: np.ndarray) -> np.ndarray:
    """Values (steps,) with axes of length 1 added, so that they broadcast to `course` (steps, ...)."""
    return values.reshape(-1, *[1] * (course.ndim - 1))


def read_membrane(course: np.ndarray, start: int, weights: np.ndarray) -> np.ndarray:
    """V after each step minus V after the first `start` steps; 0 until then; float32."""
    read = course.astype(np.float32)
    if start:
        read = read - read[start - 1]
        read[:start] = 0
    return read


def read_spike_count(course: np.ndarray, start: int, weights: np.ndarray) -> np.ndarray:
    """The sum of spikes so far, each times the weight of its step; float32."""
    counted = np.where(np.arange(len(course)) < start, np.float32(0), weights)
    return np.cumsum(course * each_step(counted, course), axis=0, dtype=np.float32)


def read_first_spike(course: np.ndarray, start: int, weights: np.ndarray) -> np.ndarray:
    """The step of the first spike from step `start` on, counted from 1; 0 without a spike so far; float32."""
    spiked = np.logical_or.accumulate(course[start:] > 0, axis=0)
    steps = each_step(np.arange(1, len(spiked) + 1, dtype=np.float32), course)
    first = np.where(spiked, np.where(spiked, steps, np.inf).min(axis=0), np.float32(0))
    return np.concatenate([np.zeros((start, *course.shape[1:])), first]).astype(np.float32)


def steps_so_far(weights: np.ndarray, start: int) -> np.ndarray:
    """The sum of the steps' weights from `start` on, after each step; at least 1; float32 (timesteps,)."""
    counted = np.where(np.arange(len(weights)) < start, np.float32(0), weights)
    return np.maximum(np.cumsum(counted, dtype=np.float32), 1)


def mean_per_step(read: np.ndarray, scale: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """scale x read / steps. steps: of steps_so_far, with the axes of `read`."""
    return read * np.asarray(scale, np.float32) / steps


def earliest(read: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """1 / the number of the step with the first spike: 1 for the first step, 0 for no spike."""
    return np.divide(1, read, out=np.zeros_like(read), where=read > 0)


def activated(logits: np.ndarray, activation: str | None) -> np.ndarray:
    """The ANN's output: its function of logits (..., *shape), of their type. softmax is over the last axis.

    In double precision, so that it is the same on all machines and in model.cc.
    """
    if activation is None:
        return logits
    values = logits.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        outputs = powers / powers.sum(axis=-1, keepdims=True)
    elif activation == "sigmoid":
        powers = np.exp(-np.abs(values))  # at most 1, so nothing overflows
        outputs = np.where(values >= 0, 1, powers) / (1 + powers)
    else:
        outputs = np.tanh(values)
    return outputs.astype(logits.dtype)


def decisions(logits: np.ndarray, activation: str | None) -> np.ndarray:
    """What logits (..., *shape) decide for: the class, (..., *shape without its last axis).

    The class is the index of the largest logit; with one logit it is 1 above 0. With several logits and
    sigmoid each is a decision of its own, 0 or 1: (..., *shape).
    """
    if logits.shape[-1] == 1 and activation != "softmax":
        return (logits[..., 0] > 0).astype(np.int64)
    return (logits > 0).astype(np.int64) if activation == "sigmoid" else logits.argmax(axis=-1)
