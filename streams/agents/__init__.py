"""The Faust agents: thin loops around the work of :mod:`workers`. No exception ever leaves such a loop."""
