"""The work on batches of products, and the offline jobs. Batch in, batch out; no Kafka."""

import os

# Since 1.29 ONNX Runtime reports every session to its maker unless this is set before it is imported: it keeps a
# database in the user's cache and connects to the internet.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
