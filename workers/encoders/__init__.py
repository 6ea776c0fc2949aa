"""Text encoders: a static one fitted on the catalogue, and any sentence encoder as an ONNX file."""
