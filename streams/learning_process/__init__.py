"""Learning, in a process of its own beside the deciding stages.

Learning takes a tenth of the CPU time of deciding, but in bursts. In the same process, batches (and with them all
current decisions) had to wait for Python's global interpreter lock.
"""
