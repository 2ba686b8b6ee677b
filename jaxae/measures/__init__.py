"""What is measured of a run, by name: groups of measures that apply, as rows of one table."""
