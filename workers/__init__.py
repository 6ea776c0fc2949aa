"""The work on batches of products, and the offline jobs. Batch in, batch out; no Kafka."""
