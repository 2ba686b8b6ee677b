"""Tables of a sweep: a row for each run, a summary with a row for each setting, and statistics."""
