"""The fault harness: real workers on a real Kafka, scheduled faults, and an account of every event."""
