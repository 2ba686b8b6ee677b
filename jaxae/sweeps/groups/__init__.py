"""Train a group of lanes: runs of one structure as one compiled program, on the devices of one process."""
