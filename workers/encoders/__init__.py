"""Text encoders: a static one with pretrained token vectors, and any sentence encoder as an ONNX file."""
