"""End to end on a real Kafka: how fast, at what cost and how late, beside the alternatives."""
