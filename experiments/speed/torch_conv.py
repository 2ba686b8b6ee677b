"""Convolutional VAEs in PyTorch; `forward` returns the loss."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_mlp import draw, rate


def negative_elbo(logits: Tensor, x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Compute minus the ELBO in nats, the mean over the batch."""
    distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return (distortion + rate(mean, log_var)) / len(x)


def halving(inner: int, outer: int) -> nn.Conv2d:
    """Return a 4x4 convolution of stride 2."""
    return nn.Conv2d(inner, outer, 4, stride=2, padding=1)


def doubling(inner: int, outer: int) -> nn.ConvTranspose2d:
    """Return a transposed 4x4 convolution of stride 2."""
    return nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1)


class ConvVAE(nn.Module):
    """VAE with convolutions of stride 2 and a dense layer of 256 units, mirrored."""

    def __init__(self, side: int, channels: tuple[int, ...], image: int, latent: int) -> None:
        super().__init__()
        grid = side // 2 ** len(channels)
        features = grid**2 * channels[-1]
        down = [
            layer for pair in itertools.pairwise((image, *channels)) for layer in (halving(*pair), nn.ReLU())
        ]
        up = [
            layer
            for pair in itertools.pairwise((*channels[::-1], image))
            for layer in (nn.ReLU(), doubling(*pair))
        ]
        self.encoder = nn.Sequential(
            *down, nn.Flatten(), nn.Linear(features, 256), nn.ReLU(), nn.Linear(256, 2 * latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, 256),
            nn.ReLU(),
            nn.Linear(256, features),
            nn.Unflatten(1, (channels[-1], grid, grid)),
            *up,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return minus the ELBO in nats, [B, C, H, W] -> []."""
        mean, log_var = self.encoder(x).chunk(2, dim=-1)
        return negative_elbo(self.decoder(draw(mean, log_var)), x, mean, log_var)


class Block(nn.Module):
    """Residual block: x + conv3x3(relu(conv3x3(relu(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Compute [B, C, H, W] -> [B, C, H, W]."""
        return x + self.second(torch.relu(self.first(torch.relu(x))))


class ResidualVAE(nn.Module):
    """VAE with residual blocks at a half and a quarter of 32x32x3."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        features = 64 * 2 * width
        self.encoder = nn.Sequential(
            halving(3, width),
            *(Block(width) for _ in range(2)),
            nn.ReLU(),
            halving(width, 2 * width),
            *(Block(2 * width) for _ in range(2)),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(features, 2 * latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, features),
            nn.Unflatten(1, (2 * width, 8, 8)),
            *(Block(2 * width) for _ in range(2)),
            nn.ReLU(),
            doubling(2 * width, width),
            *(Block(width) for _ in range(2)),
            nn.ReLU(),
            doubling(width, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return minus the ELBO in nats, [B, C, H, W] -> []."""
        mean, log_var = self.encoder(x).chunk(2, dim=-1)
        return negative_elbo(self.decoder(draw(mean, log_var)), x, mean, log_var)
