"""Source code of a user's classes: its digest, whether it has changed, and the copies kept with a run."""
