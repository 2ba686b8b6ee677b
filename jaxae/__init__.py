"""The autoencoder family as pure functions in JAX and Flax, with every number checked.

An experiment is a frozen dataclass: data, model, optimiser and training. `fit` trains it and returns a
`Result`, which encodes, decodes, samples and saves. `sweep` trains many experiments, and `measure` evaluates
a result. Names are imported when they are first used, so `import jaxae` itself is fast.

Example:
    >>> import jaxae
    >>> model = jaxae.VAE(latent_dim=8)
    >>> result = jaxae.fit(jaxae.Experiment(model=model, epochs=1))
    >>> result.encode(result.test).shape
    (300, 8)
"""

# Importing jax, flax and optax takes seconds. `__getattr__` (PEP 562) postpones that to the first use of a
# name.
from jaxae.specs.public import NAMES as __all__
from jaxae.specs.public import get as __getattr__  # noqa: F401

__version__ = "0.2.0"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
