"""Downloads of known data sets: the table of their files, the transfer, and the checks."""
