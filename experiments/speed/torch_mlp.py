"""VAE and importance weighted autoencoder of multilayer perceptrons; `forward` returns the loss."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mlp(*sizes: int) -> nn.Sequential:
    """Return a multilayer perceptron with ReLU between its layers."""
    layers: list[nn.Module] = []
    for inner, outer in itertools.pairwise(sizes):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def rate(mean: Tensor, log_var: Tensor) -> Tensor:
    """Compute KL(N(mean, exp log_var) || N(0, I)) in nats, summed over all axes."""
    return -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())


def draw(mean: Tensor, log_var: Tensor) -> Tensor:
    """Draw from N(mean, exp log_var)."""
    return mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)


class VAE(nn.Module):
    """VAE with ReLU; the two heads are one matrix product, or two layers as in pytorch/examples."""

    def __init__(
        self, widths: tuple[int, ...], latent: int, inputs: int = 784, one_head: bool = True
    ) -> None:
        super().__init__()
        self.hidden = nn.Sequential(*mlp(inputs, *widths), nn.ReLU())
        sizes = [2 * latent] if one_head else [latent] * 2
        self.heads = nn.ModuleList([nn.Linear(widths[-1], size) for size in sizes])
        self.decoder = mlp(latent, *widths[::-1], inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return minus the ELBO in nats, [B, D] of 0 and 1 -> [], the mean over the batch."""
        hidden = self.hidden(x)
        codes = [head(hidden) for head in self.heads]
        mean, log_var = codes if len(codes) == 2 else codes[0].chunk(2, dim=-1)
        logits = self.decoder(draw(mean, log_var))
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (distortion + rate(mean, log_var)) / len(x)


class IWAE(nn.Module):
    """Importance weighted autoencoder; all samples pass the decoder at once."""

    def __init__(self, widths: tuple[int, ...], latent: int, samples: int, inputs: int = 784) -> None:
        super().__init__()
        self.encoder, self.samples = mlp(inputs, *widths, 2 * latent), samples
        self.decoder = mlp(latent, *widths[::-1], inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return minus the bound of k draws in nats, [B, D] of 0 and 1 -> []."""
        mean, log_var = self.encoder(x).chunk(2, dim=-1)
        noise = torch.randn(self.samples, *mean.shape)
        z = mean + torch.exp(0.5 * log_var) * noise
        logits = self.decoder(z)
        target = x.expand(self.samples, -1, -1)
        log_likelihood = -F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
        # The constants of the two Gaussians cancel.
        log_prior = -0.5 * z.pow(2).sum(-1)
        log_posterior = -0.5 * (log_var + noise.pow(2)).sum(-1)
        log_weights = log_likelihood + log_prior - log_posterior
        return -(torch.logsumexp(log_weights, 0) - math.log(self.samples)).mean()
