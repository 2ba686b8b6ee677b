"""One-file HTML pages of runs, sweeps and comparisons: content as blocks, charts by Vega, one template."""
