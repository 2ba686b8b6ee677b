"""Contractive, denoising and sparse autoencoders in PyTorch; `forward` returns the loss."""

import functools
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str, Any] = {
    "identity": lambda features: features,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}


def squared(outputs: Tensor, x: Tensor) -> Tensor:
    """Compute the squared error, summed over pixels, the mean over the batch."""
    return (outputs - x).pow(2).sum() / len(x)


LOSSES: dict[str, Any] = {
    "squared": squared,
    "softplus": lambda outputs, x: squared(F.softplus(outputs), x),
    "bernoulli": lambda logits, x: F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x),
}


def keep_largest(code: Tensor, k: int) -> Tensor:
    """Keep the k largest entries of each row and set the others to 0."""
    largest = code.topk(k, dim=-1)
    return torch.zeros_like(code).scatter(-1, largest.indices, largest.values)


class Tied(nn.Module):
    """One layer 784-1000 and its transpose; the plain autoencoder, and the base of its relatives."""

    def __init__(self, activation: str, loss: str, inputs: int = 784, units: int = 1000) -> None:
        super().__init__()
        self.encoder = nn.Linear(inputs, units)
        self.bias = nn.Parameter(torch.zeros(inputs))
        self.activation, self.loss = ACTIVATIONS[activation], LOSSES[loss]

    def code(self, x: Tensor) -> Tensor:
        """Compute the code, [B, D] -> [B, L]."""
        return self.activation(self.encoder(x))

    def distortion(self, z: Tensor, x: Tensor) -> Tensor:
        """Compute the reconstruction loss, the mean over the batch."""
        return self.loss(F.linear(z, self.encoder.weight.t(), self.bias), x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a batch [B, D]."""
        return self.distortion(self.code(x), x)


class Contractive(Tied):
    """Contractive autoencoder of one sigmoid layer, by the closed form or one Hutchinson probe."""

    def __init__(self, method: str, **options: Any) -> None:
        super().__init__(**options)
        self.method = method

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a batch [B, D]."""
        z = self.code(x)
        slopes = z * (1 - z)
        if self.method == "closed":
            penalty = slopes.pow(2) @ self.encoder.weight.pow(2).sum(dim=1)
        else:
            signs = torch.randint(0, 2, x.shape).to(x.dtype).mul(2).sub(1)
            penalty = (slopes * F.linear(signs, self.encoder.weight)).pow(2).sum(-1)
        return self.distortion(z, x) + 0.1 * penalty.mean()


class TwoLayerContractive(nn.Module):
    """Contractive autoencoder of two sigmoid layers, its Jacobians by torch.func under vmap."""

    def __init__(self, hidden: int, latent: int, jacobian: str = "jacrev", inputs: int = 784) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, latent)
        self.biases = nn.ParameterList([torch.zeros(hidden), torch.zeros(inputs)])
        # Chunks of 16 rows, as jaxae has them; jacfwd offers none.
        options = {"chunk_size": 16} if jacobian == "jacrev" else {}
        self.jacobian = functools.partial(getattr(torch.func, jacobian), **options)

    def code(self, x: Tensor) -> Tensor:
        """Compute the code, [..., D] -> [..., L]."""
        return torch.sigmoid(self.second(torch.sigmoid(self.first(x))))

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a batch [B, D]."""
        hidden = torch.sigmoid(F.linear(self.code(x), self.second.weight.t(), self.biases[0]))
        logits = F.linear(hidden, self.first.weight.t(), self.biases[1])
        jacobians = torch.func.vmap(self.jacobian(self.code))(x)
        return LOSSES["bernoulli"](logits, x) + 0.1 * jacobians.pow(2).sum() / len(x)


class Denoising(Tied):
    """Denoising autoencoder with a quarter of the pixels masked."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a batch [B, D]."""
        return self.distortion(self.code(x * (torch.rand_like(x) >= 0.25)), x)


class L1Sparse(Tied):
    """L1-sparse autoencoder with rectified units."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a batch [B, D]."""
        z = self.code(x)
        return self.distortion(z, x) + 0.05 * z.abs().sum() / len(x)


class KLSparse(Tied):
    """KL-sparse autoencoder: a mean activation of 0.05 for each unit."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a batch [B, D]."""
        z, rho = self.code(x), 0.05
        mean = z.mean(0).clamp(1e-6, 1 - 1e-6)
        on, off = rho * (math.log(rho) - mean.log()), (1 - rho) * (math.log(1 - rho) - (1 - mean).log())
        return self.distortion(z, x) + 0.1 * (on + off).sum()


class TopK(Tied):
    """k-sparse autoencoder: the k largest units of each example."""

    def __init__(self, k: int, **options: Any) -> None:
        super().__init__(**options)
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a batch [B, D]."""
        return self.distortion(keep_largest(self.code(x), self.k), x)


class Dictionary(nn.Module):
    """TopK dictionary: two separate matrices."""

    def __init__(self, inputs: int, units: int, k: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.k = nn.Linear(inputs, units), nn.Linear(units, inputs), k

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a batch [B, D]."""
        return squared(self.decoder(keep_largest(self.encoder(x), self.k)), x)
