"""The contract: what jaxae asks of a model and of its parts, as protocols that a user's class can fulfil.

A class need not inherit from a protocol. It fulfils one if it has all of its methods and attributes. This is
checked in two ways only: `isinstance` for an instance, `jaxae.pytree.fulfils` for a class.
"""
