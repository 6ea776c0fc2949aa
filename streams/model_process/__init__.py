"""The model of a worker, in a process of its own.

The model's computations hold Python's global interpreter lock most of the time. In the process that talks to
Kafka, every message would wait for it.
"""
