"""Learning beside the stages that decide, in a process of its own.

Learning is a tenth of their work, in bursts: in the same process it kept batches waiting for Python's lock, and
with them every decision of the moment.
"""
