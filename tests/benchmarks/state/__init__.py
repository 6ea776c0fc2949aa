"""Tables at size: recovery, memory, disk, and what a read or a write costs."""
