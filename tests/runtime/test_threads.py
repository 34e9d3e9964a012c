"""Batches in several threads: in order, with errors, and without threadpoolctl."""

from __future__ import annotations

import threading
import time

import pytest

from tgenn_gen.runtime import numpy_network


@pytest.mark.parametrize("limits", [numpy_network.threadpool_limits, None], ids=["threads", "one thread"])
def test_values_come_in_the_order_of_their_arguments(monkeypatch, limits):
    monkeypatch.setattr(numpy_network, "threadpool_limits", limits)
    monkeypatch.setattr(numpy_network, "usable_threads", lambda: 4)

    def slow_at_first(argument):
        time.sleep(0.02 if argument == 0 else 0.001)
        return argument * argument, threading.get_ident()

    found = [*numpy_network.in_threads(slow_at_first, range(20))]
    assert [value for value, _ in found] == [n * n for n in range(20)]
    assert (len({thread for _, thread in found}) > 1) == (limits is not None)


def test_an_error_ends_the_work(monkeypatch):
    monkeypatch.setattr(numpy_network, "usable_threads", lambda: 2)
    started = []

    def fails(argument):
        started.append(argument)
        if argument == 3:
            raise ValueError("three")
        return argument

    with pytest.raises(ValueError, match="three"):
        list(numpy_network.in_threads(fails, range(1000)))
    assert len(started) < 20


def test_what_is_not_asked_for_is_not_computed(monkeypatch):
    monkeypatch.setattr(numpy_network, "usable_threads", lambda: 2)
    started = []
    values = numpy_network.in_threads(started.append, range(1000))
    next(values)
    values.close()
    assert len(started) < 10


def test_matrix_products_use_one_thread_only_meanwhile():
    info = pytest.importorskip("threadpoolctl").threadpool_info

    def blas_threads(_=None):
        return {pool["num_threads"] for pool in info() if pool["user_api"] == "blas"}

    before = blas_threads()
    assert all(found == {1} for found in numpy_network.in_threads(blas_threads, range(3)))
    assert blas_threads() == before


def test_threads_are_as_many_as_products_would_use():
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    with limits(1, "blas"):
        assert numpy_network.usable_threads() == 1
