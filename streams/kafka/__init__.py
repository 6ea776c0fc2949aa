"""Connect to Kafka, find or start a cluster, and create and check its topics."""
