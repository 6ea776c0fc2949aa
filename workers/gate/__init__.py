"""The gate: whether a candidate bundle may take the place of the current one."""
