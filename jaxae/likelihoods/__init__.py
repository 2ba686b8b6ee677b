"""log p(x|z): formulas, and the specs that an autoencoder takes as `likelihood` or `reconstruction`."""

from jaxae.likelihoods.discrete import Bernoulli as Bernoulli
from jaxae.likelihoods.discrete import Categorical as Categorical
from jaxae.likelihoods.discrete import DiscretisedLogistic as DiscretisedLogistic
from jaxae.likelihoods.formulas import bernoulli_log_prob as bernoulli_log_prob
from jaxae.likelihoods.formulas import categorical_log_prob as categorical_log_prob
from jaxae.likelihoods.formulas import discretised_logistic_log_prob as discretised_logistic_log_prob
from jaxae.likelihoods.formulas import gaussian_log_prob as gaussian_log_prob
from jaxae.likelihoods.real import Gaussian as Gaussian
from jaxae.likelihoods.real import LearnedGaussian as LearnedGaussian
from jaxae.likelihoods.real import PixelGaussian as PixelGaussian
from jaxae.likelihoods.real import SquaredError as SquaredError
