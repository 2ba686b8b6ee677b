"""Protocols that a user's model and its parts can fulfil: the extension points of jaxae.

A class need not inherit from a protocol. It fulfils one if it has all of its methods and attributes. This is
checked in two ways only: `isinstance` for an instance, `jaxae.specs.pytree.fulfils` for a class.

Example:
    >>> import jaxae
    >>> isinstance(jaxae.VQVAE(), jaxae.protocols.Tokenizer)
    True
    >>> isinstance(jaxae.AE(), jaxae.protocols.Generative)
    False
"""

from jaxae.protocols.capabilities import ActivatedCodes as ActivatedCodes
from jaxae.protocols.capabilities import Autoencoder as Autoencoder
from jaxae.protocols.capabilities import BatchTerms as BatchTerms
from jaxae.protocols.capabilities import CachedTokenModel as CachedTokenModel
from jaxae.protocols.capabilities import Classifier as Classifier
from jaxae.protocols.capabilities import CodeSize as CodeSize
from jaxae.protocols.capabilities import Conditional as Conditional
from jaxae.protocols.capabilities import DataDependent as DataDependent
from jaxae.protocols.capabilities import DataShaped as DataShaped
from jaxae.protocols.capabilities import ElboParts as ElboParts
from jaxae.protocols.capabilities import ElboTerms as ElboTerms
from jaxae.protocols.capabilities import EvaluationTerms as EvaluationTerms
from jaxae.protocols.capabilities import ExactLikelihood as ExactLikelihood
from jaxae.protocols.capabilities import ExampleCount as ExampleCount
from jaxae.protocols.capabilities import Generative as Generative
from jaxae.protocols.capabilities import GuidedTokenModel as GuidedTokenModel
from jaxae.protocols.capabilities import JointDensity as JointDensity
from jaxae.protocols.capabilities import LatentVariableModel as LatentVariableModel
from jaxae.protocols.capabilities import LikelihoodModel as LikelihoodModel
from jaxae.protocols.capabilities import MinimumBatch as MinimumBatch
from jaxae.protocols.capabilities import Model as Model
from jaxae.protocols.capabilities import MonteCarlo as MonteCarlo
from jaxae.protocols.capabilities import Phased as Phased
from jaxae.protocols.capabilities import PriorModel as PriorModel
from jaxae.protocols.capabilities import ReconstructionModel as ReconstructionModel
from jaxae.protocols.capabilities import SeparateOptimizers as SeparateOptimizers
from jaxae.protocols.capabilities import SparseCodes as SparseCodes
from jaxae.protocols.capabilities import TermUnits as TermUnits
from jaxae.protocols.capabilities import TokenGrid as TokenGrid
from jaxae.protocols.capabilities import Tokenizer as Tokenizer
from jaxae.protocols.capabilities import TokenModel as TokenModel
from jaxae.protocols.dataset import TokenSource as TokenSource
from jaxae.protocols.dataset import TrainingData as TrainingData
from jaxae.protocols.measures import Measure as Measure
from jaxae.protocols.measures import NamedMeasure as NamedMeasure
from jaxae.protocols.measures import PlottedMeasure as PlottedMeasure
from jaxae.protocols.measures import RestrictedMeasure as RestrictedMeasure
from jaxae.protocols.parts import Checked as Checked
from jaxae.protocols.parts import ClosedKL as ClosedKL
from jaxae.protocols.parts import Components as Components
from jaxae.protocols.parts import Condition as Condition
from jaxae.protocols.parts import Corruption as Corruption
from jaxae.protocols.parts import DensityPosterior as DensityPosterior
from jaxae.protocols.parts import DiagonalPosterior as DiagonalPosterior
from jaxae.protocols.parts import FactorisedKL as FactorisedKL
from jaxae.protocols.parts import FixedCodeDim as FixedCodeDim
from jaxae.protocols.parts import HasLevels as HasLevels
from jaxae.protocols.parts import HasSupport as HasSupport
from jaxae.protocols.parts import HasUnit as HasUnit
from jaxae.protocols.parts import LearnedPerceptualLoss as LearnedPerceptualLoss
from jaxae.protocols.parts import Likelihood as Likelihood
from jaxae.protocols.parts import Optimizer as Optimizer
from jaxae.protocols.parts import PerceptualLoss as PerceptualLoss
from jaxae.protocols.parts import Posterior as Posterior
from jaxae.protocols.parts import Prior as Prior
from jaxae.protocols.parts import Quantised as Quantised
from jaxae.protocols.parts import Quantiser as Quantiser
from jaxae.protocols.parts import Reconstruction as Reconstruction
from jaxae.protocols.parts import SampledLikelihood as SampledLikelihood
from jaxae.protocols.parts import Schedule as Schedule
from jaxae.protocols.parts import StandardPrior as StandardPrior
from jaxae.protocols.parts import Support as Support
