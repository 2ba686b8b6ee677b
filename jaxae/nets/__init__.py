"""Linen modules: they hold parameters and define no losses.

A net is a linen module that is called with (x, shape). `shape` is the shape of one output and is chosen by
the autoencoder: (2 L,) for an encoder's mean and log-variance, (H, W, C) for a decoder. A custom net is any
module with `__call__(x: [B, ...], shape) -> [B, *shape]`; it needs no base class. If the autoencoder has a
condition, the net gets it as a third argument, f32[B, K].
"""

from jaxae.nets.calls import apply as apply
from jaxae.nets.calls import call as call
from jaxae.nets.calls import fresh as fresh
from jaxae.nets.calls import init as init
from jaxae.nets.calls import init_pair as init_pair
from jaxae.nets.conv import ConvDecoder as ConvDecoder
from jaxae.nets.conv import ConvEncoder as ConvEncoder
from jaxae.nets.conv_layers import Conv as Conv
from jaxae.nets.conv_layers import ConvTranspose as ConvTranspose
from jaxae.nets.grid import GridDecoder as GridDecoder
from jaxae.nets.grid import GridEncoder as GridEncoder
from jaxae.nets.mlp import MLP as MLP
from jaxae.nets.mlp import biases as biases
from jaxae.nets.mlp import transposed as transposed
from jaxae.nets.patches import PatchDiscriminator as PatchDiscriminator
from jaxae.nets.transformer import Cache as Cache
from jaxae.nets.transformer import Transformer as Transformer
