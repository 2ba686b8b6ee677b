"""jaxae: the autoencoder family as pure functions in JAX and Flax, with every number checked.

    import jaxae
    result = jaxae.fit(jaxae.Experiment(autoencoder=jaxae.VAE(latent_dim=8)))

Names are imported when they are first used, so that `import jaxae` itself costs nothing.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from jaxae.api import fit as fit
    from jaxae.api import load as load
    from jaxae.api import resume as resume
    from jaxae.autoencoders.adversarial import AdversarialAE as AdversarialAE
    from jaxae.autoencoders.beta_tc import BetaTCVAE as BetaTCVAE
    from jaxae.autoencoders.contractive import ContractiveAE as ContractiveAE
    from jaxae.autoencoders.contractive import Hessian as Hessian
    from jaxae.autoencoders.corruptions import Dropout as Dropout
    from jaxae.autoencoders.corruptions import GaussianNoise as GaussianNoise
    from jaxae.autoencoders.corruptions import Masking as Masking
    from jaxae.autoencoders.corruptions import SaltAndPepper as SaltAndPepper
    from jaxae.autoencoders.denoising import DenoisingAE as DenoisingAE
    from jaxae.autoencoders.denoising import Emphasis as Emphasis
    from jaxae.autoencoders.factor import FactorVAE as FactorVAE
    from jaxae.autoencoders.iwae import IWAE as IWAE
    from jaxae.autoencoders.jump import JumpReLUAE as JumpReLUAE
    from jaxae.autoencoders.matching import WAE as WAE
    from jaxae.autoencoders.matching import InfoVAE as InfoVAE
    from jaxae.autoencoders.perceptual import LPIPS as LPIPS
    from jaxae.autoencoders.perceptual import RotationFeatures as RotationFeatures
    from jaxae.autoencoders.plain import AE as AE
    from jaxae.autoencoders.posteriors import DiagonalGaussian as DiagonalGaussian
    from jaxae.autoencoders.posteriors import FullGaussian as FullGaussian
    from jaxae.autoencoders.posteriors import PlanarFlow as PlanarFlow
    from jaxae.autoencoders.priors import MixturePrior as MixturePrior
    from jaxae.autoencoders.priors import StandardNormal as StandardNormal
    from jaxae.autoencoders.priors import VampPrior as VampPrior
    from jaxae.autoencoders.sparse import KLSparseAE as KLSparseAE
    from jaxae.autoencoders.sparse import L1SparseAE as L1SparseAE
    from jaxae.autoencoders.stacked import Stacked as Stacked
    from jaxae.autoencoders.two_layer import TwoLayerVAE as TwoLayerVAE
    from jaxae.autoencoders.vae import VAE as VAE
    from jaxae.autoencoders.vq_gan import VQGAN as VQGAN
    from jaxae.autoencoders.winners import TopKAE as TopKAE
    from jaxae.autoencoders.winners import WinnerTakeAllAE as WinnerTakeAllAE
    from jaxae.config import load_config as load_config
    from jaxae.data.spec import Data as Data
    from jaxae.errors import Diverged as Diverged
    from jaxae.errors import JaxaeError as JaxaeError
    from jaxae.errors import OutOfMemory as OutOfMemory
    from jaxae.experiment import EarlyStopping as EarlyStopping
    from jaxae.experiment import Experiment as Experiment
    from jaxae.likelihoods import Bernoulli as Bernoulli
    from jaxae.likelihoods import Categorical as Categorical
    from jaxae.likelihoods import DiscretisedLogistic as DiscretisedLogistic
    from jaxae.likelihoods import Gaussian as Gaussian
    from jaxae.likelihoods import LearnedGaussian as LearnedGaussian
    from jaxae.likelihoods import PixelGaussian as PixelGaussian
    from jaxae.likelihoods import SquaredError as SquaredError
    from jaxae.measures.groups import measure as measure
    from jaxae.nets import MLP as MLP
    from jaxae.nets import ConvDecoder as ConvDecoder
    from jaxae.nets import ConvEncoder as ConvEncoder
    from jaxae.optimizers import SGD as SGD
    from jaxae.optimizers import Adagrad as Adagrad
    from jaxae.optimizers import Adam as Adam
    from jaxae.optimizers import Adamax as Adamax
    from jaxae.optimizers import AdamW as AdamW
    from jaxae.optimizers import Lion as Lion
    from jaxae.optimizers import RMSprop as RMSprop
    from jaxae.pytree import spec as spec
    from jaxae.result import Result as Result
    from jaxae.schedules import Constant as Constant
    from jaxae.schedules import Cosine as Cosine
    from jaxae.schedules import Linear as Linear
    from jaxae.schedules import Piecewise as Piecewise
    from jaxae.schedules import Step as Step
    from jaxae.sweeps.api import search as search
    from jaxae.sweeps.api import sweep as sweep
    from jaxae.sweeps.define import Choice as Choice
    from jaxae.sweeps.define import Integer as Integer
    from jaxae.sweeps.define import LogUniform as LogUniform
    from jaxae.sweeps.define import Uniform as Uniform
    from jaxae.sweeps.define import crossed as crossed
    from jaxae.sweeps.define import grid as grid
    from jaxae.sweeps.define import sampled as sampled
    from jaxae.sweeps.define import zipped as zipped
    from jaxae.sweeps.results import Results as Results
    from jaxae.sweeps.results import load_sweep as load_sweep
    from jaxae.sweeps.results import read_table as read_table
    from jaxae.types import Autoencoder as Autoencoder
    from jaxae.types import Batch as Batch
    from jaxae.types import EvaluationTerms as EvaluationTerms
    from jaxae.types import Examples as Examples
    from jaxae.types import Variables as Variables

__version__ = "0.1.0"

# The public names and where they live; specs and nets among them are what a command line may name.
_HOMES = {
    "jaxae.api": "fit load resume",
    "jaxae.autoencoders.iwae": "IWAE",
    "jaxae.autoencoders.jump": "JumpReLUAE",
    "jaxae.autoencoders.plain": "AE",
    "jaxae.autoencoders.posteriors": "DiagonalGaussian FullGaussian PlanarFlow",
    "jaxae.autoencoders.priors": "MixturePrior StandardNormal VampPrior",
    "jaxae.autoencoders.vae": "VAE",
    "jaxae.autoencoders.contractive": "ContractiveAE Hessian",
    "jaxae.autoencoders.denoising": "DenoisingAE Emphasis",
    "jaxae.autoencoders.sparse": "KLSparseAE L1SparseAE",
    "jaxae.autoencoders.stacked": "Stacked",
    "jaxae.autoencoders.winners": "TopKAE WinnerTakeAllAE",
    "jaxae.autoencoders.corruptions": "Dropout GaussianNoise Masking SaltAndPepper",
    "jaxae.autoencoders.adversarial": "AdversarialAE",
    "jaxae.autoencoders.beta_tc": "BetaTCVAE",
    "jaxae.autoencoders.factor": "FactorVAE",
    "jaxae.autoencoders.matching": "InfoVAE WAE",
    "jaxae.autoencoders.two_layer": "TwoLayerVAE",
    "jaxae.autoencoders.quantisers": "FSQ GradientCodebook MovingCodebook",
    "jaxae.autoencoders.perceptual": "LPIPS RotationFeatures",
    "jaxae.autoencoders.vq_gan": "VQGAN",
    "jaxae.autoencoders.vq_vae": "VQVAE",
    "jaxae.config": "load_config",
    "jaxae.data.spec": "Data",
    "jaxae.errors": "Diverged JaxaeError OutOfMemory",
    "jaxae.experiment": "EarlyStopping Experiment",
    "jaxae.likelihoods.discrete": "Bernoulli Categorical DiscretisedLogistic",
    "jaxae.likelihoods.real": "Gaussian LearnedGaussian PixelGaussian SquaredError",
    "jaxae.measures.groups": "measure",
    "jaxae.nets": "ConvDecoder ConvEncoder GridDecoder GridEncoder MLP PatchDiscriminator Transformer",
    "jaxae.pytree": "spec",
    "jaxae.priors.conditions": "Labels Text",
    "jaxae.priors.sampling": "Sampling",
    "jaxae.priors.token_prior": "TokenPrior",
    "jaxae.result": "Result",
    "jaxae.schedules": "Constant Cosine Linear Piecewise Step",
    "jaxae.optimizers": "Adagrad Adam Adamax AdamW Lion RMSprop SGD",
    "jaxae.sweeps.api": "search sweep",
    "jaxae.sweeps.define": "Choice Integer LogUniform Uniform crossed grid sampled zipped",
    "jaxae.sweeps.results": "Results load_sweep read_table",
    "jaxae.types": "Autoencoder Batch EvaluationTerms Examples Model Variables",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME)  # pyright: ignore


def __getattr__(name: str) -> typing.Any:
    if name not in _HOME:
        raise AttributeError(f"module 'jaxae' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
