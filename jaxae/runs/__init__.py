"""A run: experiment, directory, training, record, result, and where its code and data come from."""
