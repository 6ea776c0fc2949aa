"""Throughput, cost and latency end to end on a real Kafka, compared with the alternatives."""
