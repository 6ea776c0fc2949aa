"""Large tables: recovery, memory, disk, and the cost of a read or write."""
