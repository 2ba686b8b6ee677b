"""Programs that were traced from code that has changed since.

jax knows a program by the classes of its experiment. In a notebook a class may be the same object and read
another constant or call another function than before: its programs have to be traced again.
"""

import weakref

import jax

from jaxae.runs.code.identity import Code

_seen: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()
_generation = [0]


def generation() -> int:
    """Return a number that is part of what a compiled program is known by; a change of code increases it."""
    return _generation[0]


def forget_changed(code: Code | None) -> None:
    """Forget all traced programs if the code of a class is not what this process has seen before."""
    of_class = code.of_class if code else {}
    if any(_seen.get(cls, digest) != digest for cls, digest in of_class.items()):
        jax.clear_caches()
        _generation[0] += 1
    _seen.update(of_class)
