"""Programs that were traced from code that has changed since.

jax identifies a program by the classes of its experiment. In a notebook a class may be the same object but
read another constant or call another function than before. Its programs then have to be traced again.
"""

import weakref

import jax

from jaxae.runs.code.identity import Code

_seen: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()  # class -> digest
_generation = [0]


def generation() -> int:
    """Return a number that is part of the key of a compiled program; each change of code increases it."""
    return _generation[0]


def forget_changed(code: Code | None) -> None:
    """Forget all traced programs if a class has other code than when this process saw it last."""
    of_class = code.of_class if code else {}
    if any(_seen.get(cls, digest) != digest for cls, digest in of_class.items()):
        # jax cannot forget the programs of one class, so all of them are traced again.
        jax.clear_caches()
        _generation[0] += 1
    _seen.update(of_class)
