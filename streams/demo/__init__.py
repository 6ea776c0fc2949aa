"""The demo: Kafka, a model, a worker and a feed, with a live view of the decisions."""
