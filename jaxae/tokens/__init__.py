"""Models of the tokens of a discrete autoencoder: priors, their conditions, and sampling from them."""

from jaxae.tokens.conditions import Labels as Labels
from jaxae.tokens.conditions import Text as Text
from jaxae.tokens.sampling import Sampling as Sampling
from jaxae.tokens.token_prior import TokenPrior as TokenPrior
