"""Distributions: likelihoods p(x|z), posteriors q(z|x), priors p(z), corruptions, and formulas of log p."""

from jaxae.distributions.corruptions import Dropout as Dropout
from jaxae.distributions.corruptions import GaussianNoise as GaussianNoise
from jaxae.distributions.corruptions import Masking as Masking
from jaxae.distributions.corruptions import SaltAndPepper as SaltAndPepper
from jaxae.distributions.discrete_likelihoods import Bernoulli as Bernoulli
from jaxae.distributions.discrete_likelihoods import Categorical as Categorical
from jaxae.distributions.discrete_likelihoods import DiscretisedLogistic as DiscretisedLogistic
from jaxae.distributions.formulas import bernoulli_log_prob as bernoulli_log_prob
from jaxae.distributions.formulas import categorical_log_prob as categorical_log_prob
from jaxae.distributions.formulas import discretised_logistic_log_prob as discretised_logistic_log_prob
from jaxae.distributions.formulas import gaussian_log_prob as gaussian_log_prob
from jaxae.distributions.posteriors import DiagonalGaussian as DiagonalGaussian
from jaxae.distributions.posteriors import FullGaussian as FullGaussian
from jaxae.distributions.posteriors import PlanarFlow as PlanarFlow
from jaxae.distributions.priors import MixturePrior as MixturePrior
from jaxae.distributions.priors import StandardNormal as StandardNormal
from jaxae.distributions.priors import VampPrior as VampPrior
from jaxae.distributions.real_likelihoods import Gaussian as Gaussian
from jaxae.distributions.real_likelihoods import LearnedGaussian as LearnedGaussian
from jaxae.distributions.real_likelihoods import PixelGaussian as PixelGaussian
from jaxae.distributions.real_likelihoods import SquaredError as SquaredError
