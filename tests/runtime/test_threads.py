"""Batches in several threads: in order, with errors, and without threadpoolctl."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import threadpoolctl

from tgenn_gen.runtime import numpy_network
from tgenn_gen.runtime.numpy_network import in_threads


def blas_threads(_=None):
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return {pool["num_threads"] for pool in pools}


@pytest.fixture(autouse=True)
def four_threads(monkeypatch):
    monkeypatch.setattr(numpy_network._ONE_CORE, "products", None)  # other tests load further libraries
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpoolctl.threadpool_limits(4, "blas"):
        yield


def test_values_come_in_the_order_of_their_arguments():
    def slow_at_first(argument):
        time.sleep(0.02 if argument == 0 else 0.001)
        return argument * argument, threading.get_ident()

    found = [*in_threads(slow_at_first, range(20))]
    assert [value for value, _ in found] == [n * n for n in range(20)]
    assert len({thread for _, thread in found}) > 1


def test_an_error_ends_the_work():
    started = []

    def fails(argument):
        started.append(argument)
        if argument == 3:
            raise ValueError("three")
        return argument

    with pytest.raises(ValueError, match="three"):
        list(in_threads(fails, range(1000)))
    assert len(started) < 20


def test_what_is_not_asked_for_is_not_computed():
    started = []
    values = in_threads(started.append, range(1000))
    next(values)
    values.close()
    assert len(started) < 10


def test_matrix_products_use_one_core_meanwhile():
    before = blas_threads()
    assert all(found == {1} for found in in_threads(blas_threads, range(3)))
    assert blas_threads() == before


def test_the_limit_ends_with_the_last_of_several_users():
    before = blas_threads()
    first, second = in_threads(blas_threads, range(9)), in_threads(blas_threads, range(9))
    next(first), next(second)
    first.close()
    assert blas_threads() == {1} == next(second)
    second.close()
    assert blas_threads() == before


def test_there_is_one_thread_where_products_use_one_core():
    with threadpoolctl.threadpool_limits(1, "blas"):
        found = {*in_threads(lambda _: threading.get_ident(), range(9))}
    assert len(found) == 1


def test_there_is_one_thread_without_threadpoolctl(monkeypatch):
    monkeypatch.setattr("tgenn_gen.runtime.numpy_network.ThreadpoolController", None)
    assert len({*in_threads(lambda _: threading.get_ident(), range(9))}) == 1
