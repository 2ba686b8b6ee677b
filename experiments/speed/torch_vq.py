"""VQ-VAE in PyTorch, by vector-quantize-pytorch or by a plain quantiser; `forward` returns the loss."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_conv import doubling, halving

CODES, DECAY, COMMITMENT, REVIVE_BELOW = 512, 0.99, 0.25, 0.1


class Block(nn.Module):
    """Residual block: x + conv1x1(relu(conv3x3(relu(x))))."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute [B, C, H, W] -> [B, C, H, W]."""
        return x + self.second(torch.relu(self.first(torch.relu(x))))


class Quantiser(nn.Module):
    """Codebook of moving averages with the rule of jaxae's `EMACodebook`."""

    codes: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randn(CODES, dim))
        self.register_buffer("sums", torch.zeros(CODES, dim))
        self.register_buffer("counts", torch.zeros(CODES))

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Quantise [N, D]; return the codes with the vectors' gradient, and the commitment loss."""
        flat = vectors.detach()
        # The squared length of a vector is the same for all codes, so that it is left out.
        tokens = torch.addmm(self.codes.pow(2).sum(-1), flat, self.codes.t(), alpha=-2).argmin(-1)
        codes = self.codes[tokens]
        with torch.no_grad():
            self._move(flat, tokens)
        commitment = (vectors - codes).pow(2).sum(-1).mean()
        return vectors + (codes - flat), COMMITMENT * commitment

    def _move(self, vectors: Tensor, tokens: Tensor) -> None:
        first = not bool(self.counts.any())
        counts = torch.bincount(tokens, minlength=CODES).to(vectors.dtype)
        sums = torch.zeros_like(self.sums).index_add_(0, tokens, vectors)
        self.counts.mul_(DECAY).add_(counts, alpha=1 - DECAY)
        self.sums.mul_(DECAY).add_(sums, alpha=1 - DECAY)
        total = self.counts.sum()
        smoothed = (self.counts + 1e-5) / (total + CODES * 1e-5) * total
        mean_use = (len(vectors) if first else total) / CODES
        is_dead = torch.ones(CODES, dtype=torch.bool) if first else self.counts < REVIVE_BELOW * mean_use
        drawn = vectors[torch.randint(len(vectors), (CODES,))]
        self.codes.copy_(torch.where(is_dead[:, None], drawn, self.sums / smoothed[:, None]))
        self.counts.copy_(torch.where(is_dead, mean_use, self.counts))
        self.sums.copy_(torch.where(is_dead[:, None], mean_use * self.codes, self.sums))


class LibraryQuantiser(nn.Module):
    """The quantiser of vector-quantize-pytorch with the same settings."""

    def __init__(self, dim: int, positions: int) -> None:
        super().__init__()
        from vector_quantize_pytorch import VectorQuantize

        self.quantise = VectorQuantize(
            dim=dim,
            codebook_size=CODES,
            decay=DECAY,
            # The library averages the squared distance over dimensions, jaxae sums it.
            commitment_weight=COMMITMENT * dim,
            # An absolute number of uses in a batch, where jaxae has a share of the mean use.
            threshold_ema_dead_code=REVIVE_BELOW * positions / CODES,
        )

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Quantise [N, D]; return the codes with the vectors' gradient, and the commitment loss."""
        codes, _, commitment = self.quantise(vectors[None])
        return codes[0], commitment.sum()


class VQVAE(nn.Module):
    """VQ-VAE over a grid of a quarter of the side (van den Oord et al., 2017, section 4.1)."""

    def __init__(
        self,
        side: int,
        channels: tuple[int, int],
        image: int,
        width: int,
        blocks: int,
        dim: int,
        library: bool = False,
    ) -> None:
        super().__init__()
        first, last = channels
        batch = 100 if image == 1 else 50
        self.encoder = nn.Sequential(
            halving(image, first),
            nn.ReLU(),
            halving(first, last),
            nn.ReLU(),
            nn.Conv2d(last, last, 3, padding=1),
            *(Block(last, width) for _ in range(blocks)),
            nn.ReLU(),
            nn.Conv2d(last, dim, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(dim, last, 3, padding=1),
            *(Block(last, width) for _ in range(blocks)),
            nn.ReLU(),
            doubling(last, first),
            nn.ReLU(),
            doubling(first, image),
        )
        positions = batch * (side // 4) ** 2
        self.quantiser: Any = LibraryQuantiser(dim, positions) if library else Quantiser(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the squared error plus the commitment, [B, C, H, W] -> []."""
        vectors = self.encoder(x).permute(0, 2, 3, 1)
        codes, commitment = self.quantiser(vectors.reshape(-1, vectors.shape[-1]))
        outputs = self.decoder(codes.reshape(vectors.shape).permute(0, 3, 1, 2))
        return F.mse_loss(outputs, x, reduction="sum") / len(x) + commitment
