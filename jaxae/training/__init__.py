"""Train a model: the step, the epoch, the loop and its checkpoints."""
