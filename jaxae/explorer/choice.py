"""Which page of the explorer a run gets."""

from jaxae.estimators.codebook import has_tokens
from jaxae.explorer.space import Space, space_of
from jaxae.explorer.token_space import TokenSpace, space_of_tokens
from jaxae.runs.execution import last_autoencoder
from jaxae.runs.result import Result


def space_for(result: Result) -> Space | TokenSpace:
    """Return the space of a run: its codes, or its tokens.

    Args:
        result: The result of the run.

    Returns:
        Tokens for an autoencoder with tokens and for a prior over tokens; codes for other autoencoders.

    Raises:
        JaxaeError: If the model has neither, or the rows are no images.
    """
    # A vector-quantised autoencoder has codes as well, but a person can change tokens.
    if result.run.dataset.tokenizer or has_tokens(last_autoencoder(result.run)):
        return space_of_tokens(result)
    return space_of(result)
