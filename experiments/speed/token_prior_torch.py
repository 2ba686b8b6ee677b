"""The token prior as a plain PyTorch transformer, with fused AdamW and a cache of keys and values."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Pre-norm layer: causal attention, then an MLP with GELU."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norms = nn.ModuleList([nn.LayerNorm(width, eps=1e-6) for _ in range(2)])
        self.parts, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, cache: tuple[Tensor, Tensor] | None = None, start: int = 0) -> Tensor:
        """Compute x [B, S, W] -> [B, S, W]; with a cache [B, heads, S_max, d], positions from `start`."""
        parts = self.parts(self.norms[0](x)).unflatten(-1, (3, self.num_heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        if cache is not None:
            end = start + x.shape[1]
            cache[0][:, :, start:end], cache[1][:, :, start:end] = keys, values
            # Only the positions that are filled: the slice is a view.
            keys, values = cache[0][:, :, :end], cache[1][:, :, :end]
        outputs = F.scaled_dot_product_attention(queries, keys, values, is_causal=cache is None)
        x = x + self.out(outputs.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norms[1](x))


class Prior(nn.Module):
    """Transformer over the null condition and all tokens but the last; predicts the next token."""

    def __init__(self, width: int, num_layers: int, num_heads: int, num_codes: int, length: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.condition = nn.Parameter(0.02 * torch.randn(1, width))
        self.tokens, self.positions = nn.Embedding(num_codes, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList([Block(width, num_heads) for _ in range(num_layers)])
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, num_codes)
        for table in (self.tokens, self.positions, self.head):
            nn.init.normal_(table.weight, std=0.02)

    def logits(self, tokens: Tensor) -> Tensor:
        """Compute logits [B, P, K] of tokens [B, P]."""
        first = self.condition.expand(len(tokens), 1, -1)
        x = torch.cat([first, self.tokens(tokens[:, :-1])], dim=1) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    @torch.inference_mode()
    def sample(self, num: int) -> Tensor:
        """Draw tokens [num, P] one position after another."""
        length, width = self.positions.weight.shape
        shape = num, self.num_heads, length, width // self.num_heads
        caches = [(torch.zeros(shape), torch.zeros(shape)) for _ in self.blocks]
        x, tokens = self.condition.expand(num, 1, -1), []
        for position in range(length):
            x = x + self.positions.weight[position]
            for block, cache in zip(self.blocks, caches, strict=True):
                x = block(x, cache, position)
            chances = F.softmax(self.head(self.norm(x))[:, 0], dim=-1)
            tokens.append(torch.multinomial(chances, 1))
            x = self.tokens(tokens[-1])
        return torch.cat(tokens, dim=1)


class Contender:
    """The prior and its optimiser, on rows of tokens that are loaded."""

    def __init__(self, size: dict[str, int], rows: np.ndarray, batch_size: int) -> None:
        torch.manual_seed(0)
        self.model = Prior(**size, length=rows.shape[1])
        self.rows, self.batch_size = torch.from_numpy(rows).long(), batch_size
        parameters = self.model.parameters()
        self.optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.05, fused=True)

    def train(self) -> float:
        """Train one epoch; return the mean loss in nats."""
        losses = []
        for batch in self.rows[torch.randperm(len(self.rows))].split(self.batch_size):
            logits = self.model.logits(batch)
            loss = F.cross_entropy(logits.flatten(0, 1), batch.flatten(), reduction="sum") / len(batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def sample(self, num: int) -> np.ndarray:
        """Draw tokens, [num, P]."""
        return self.model.sample(num).numpy()
