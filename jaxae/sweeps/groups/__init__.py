"""Train a group of lanes: runs of one structure in one compiled program, on the devices of one process."""
