"""The process of the model computes in one thread, whatever the libraries would take."""

from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from streams.model_process.answering import compute_in_one_thread


def test_no_library_of_the_model_computes_in_several_threads() -> None:
    with threadpool_limits(4):
        compute_in_one_thread()
        libraries = threadpool_info()
    assert {library["user_api"] for library in libraries} == {"blas", "openmp"}
    assert {library["num_threads"] for library in libraries} == {1}
