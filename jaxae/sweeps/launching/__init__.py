"""Launchers train the groups of a sweep: in this process, as tasks over Ray, or by a user's class."""
