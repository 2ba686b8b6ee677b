"""jaxae: the autoencoder family as pure functions in JAX and Flax, with every number checked.

    import jaxae
    result = jaxae.fit(jaxae.Experiment(model=jaxae.VAE(latent_dim=8)))

Names are imported when they are first used, so that `import jaxae` itself costs nothing.
"""

from jaxae.specs.public import NAMES as __all__
from jaxae.specs.public import get as __getattr__  # noqa: F401

__version__ = "0.2.0"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
