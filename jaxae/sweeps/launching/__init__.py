"""Launchers: where the groups of a sweep are trained, in this process, over Ray, or by a user's class."""
