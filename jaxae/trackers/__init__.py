"""Trackers receive the numbers of runs: TensorBoard, Weights & Biases, MLflow, trackio."""
