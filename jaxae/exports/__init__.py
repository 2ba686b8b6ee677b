"""Runs as files that work without jaxae: programs of jax.export, ONNX models, safetensors weights."""
