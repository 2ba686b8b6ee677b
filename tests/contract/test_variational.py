"""The contract over the variational half of the family."""

import pytest

from jaxae.autoencoders.base.variational import Variational
from jaxae.autoencoders.two_layer import TwoLayerVAE
from tests import small
from tests.contract.checks import *  # noqa: F403 (every case)
from tests.contract.checks import variants_slow

NAMES = [name for name, (cls, _) in small.MEMBERS.items() if issubclass(cls, (Variational, TwoLayerVAE))]
pytestmark = pytest.mark.parametrize("name", variants_slow(NAMES))
