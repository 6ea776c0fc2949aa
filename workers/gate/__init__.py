"""The gate: decides whether a candidate bundle may replace the current one."""
