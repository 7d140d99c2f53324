"""Operators of transformers: every form of attention, rotary positions, embeddings, and ONNX Runtime's activations."""
