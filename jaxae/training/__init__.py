"""How parameters come to be: the step, the epoch, the loop and its checkpoints."""
