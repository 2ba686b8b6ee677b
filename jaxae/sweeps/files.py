"""Names of files in a sweep's directory that are read without jax; `store` has the others."""

SWEEP = "sweep.json"
GROUPS, RUNS, ROWS = "groups", "runs.json", "rows.jsonl"
PROGRESS = "progress.json"  # in a group's folder: its progress, while a process trains it
EXTRACTED = "runs"  # folder for runs of the sweep as directories of single runs
