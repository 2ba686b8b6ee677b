"""Display of progress and results: bars in terminals and notebooks, lines in files, tables in HTML."""
