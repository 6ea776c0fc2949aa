"""The verbs: the work on a batch of products, and the offline work. Batch in, batch out; no Kafka."""
