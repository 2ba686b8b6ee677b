"""Single runs: experiment, directory, record, training, result, and the origin of code and data."""
