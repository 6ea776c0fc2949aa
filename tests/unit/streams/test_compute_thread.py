"""One compute thread a process, whatever the libraries would take."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import workers.bundle.bundle  # noqa: F401 - the libraries of the model
from streams.compute_thread import compute_thread

pytestmark = pytest.mark.unit


def test_no_library_of_the_model_computes_in_several_threads() -> None:
    with threadpool_limits(4), compute_thread() as pool:
        libraries = pool.submit(threadpool_info).result()
    assert {library["user_api"] for library in libraries} == {"blas", "openmp"}
    assert {library["num_threads"] for library in libraries} == {1}
