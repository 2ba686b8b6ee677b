"""Linen modules: parameters, no losses. A net is a linen module called with (x, shape).

`shape` is the shape of one output, given by the autoencoder: (2 L,) for an encoder's mean and
log-variance, (H, W, C) for a decoder. So a net of a user's own is any module
`__call__(x: [B, ...], shape) -> [B, *shape]`, in place of ours, with no base class to inherit from.
Under a condition f32[B, K] the net is called with it as a third argument, else with two.
"""

from jaxae.nets.calls import apply as apply
from jaxae.nets.calls import call as call
from jaxae.nets.calls import fresh as fresh
from jaxae.nets.calls import init as init
from jaxae.nets.calls import init_pair as init_pair
from jaxae.nets.conv import ConvDecoder as ConvDecoder
from jaxae.nets.conv import ConvEncoder as ConvEncoder
from jaxae.nets.grid import GridDecoder as GridDecoder
from jaxae.nets.grid import GridEncoder as GridEncoder
from jaxae.nets.mlp import MLP as MLP
from jaxae.nets.mlp import biases as biases
from jaxae.nets.mlp import transposed as transposed
from jaxae.nets.patches import PatchDiscriminator as PatchDiscriminator
from jaxae.nets.transformer import Cache as Cache
from jaxae.nets.transformer import Transformer as Transformer
from jaxae.nets.upsampling import Conv as Conv
