"""The verbs: the work on a batch of products, and the offline work. Pure batch in, batch out; knows no Kafka."""
