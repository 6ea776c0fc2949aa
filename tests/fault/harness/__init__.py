"""The fault harness: real workers on a real Kafka, faults from a schedule, and an account of every event."""
