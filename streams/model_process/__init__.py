"""The model of a worker, in a process of its own.

What it computes holds Python's lock most of the time, for which in the process that talks to Kafka every message
waited.
"""
