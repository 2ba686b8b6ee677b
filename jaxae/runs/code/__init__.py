"""The code of a user's own classes: what it is, whether it has changed, and where it is kept."""
