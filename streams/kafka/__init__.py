"""Kafka: how to connect, which cluster, and its topics."""
