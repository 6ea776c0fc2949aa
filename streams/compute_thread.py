"""The thread that does the model's work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits


def compute_thread() -> ThreadPoolExecutor:
    """Return a pool of one thread, in which no library computes in several.

    To be called in the main thread once the model is loaded, and its libraries with it. Left alone, BLAS shares
    the products of matrices of even a small batch among all cores, and its threads wait for one another by
    spinning: twice the CPU time, and later decisions.
    """
    # Of BLAS the process has one number of threads, which no other thread than the main one can set; of OpenMP
    # (FAISS) each thread has its own.
    threadpool_limits(1)
    return ThreadPoolExecutor(1, "shelfwise-compute", initializer=threadpool_limits, initargs=(1,))
