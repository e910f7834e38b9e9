"""A conditional variational autoencoder of transformers over patches of the sphere.

Kingma and Welling (2014) and Sohn, Lee and Yan (2015): a prior p(z|x), a posterior q(z|x, y) and a
decoder p(y|x, z), each a transformer over the same patches (Dosovitskiy et al. 2021). Attention has
no edges, so longitude is periodic; patches have learned position embeddings.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from xai4land_seasonal.emulator.conditions import CHANNELS, HARMONICS, Condition, harmonics

__all__ = ["CVAE", "Gaussian"]


class Gaussian(NamedTuple):
    """Independent normal distributions: means and logarithms of variances."""

    mean: torch.Tensor
    log_var: torch.Tensor

    def rsample(self, noise: torch.Tensor) -> torch.Tensor:
        """Return a sample, from standard normal noise."""
        return self.mean + noise * torch.exp(0.5 * self.log_var)

    def kl_divergence(self, other: Gaussian) -> torch.Tensor:
        """Compute the Kullback-Leibler divergence from another, by dimension."""
        ratio = torch.exp(self.log_var - other.log_var)
        square = (self.mean - other.mean) ** 2 / torch.exp(other.log_var)
        return 0.5 * (ratio + square - 1 + other.log_var - self.log_var)


class CVAE(nn.Module):
    """Departures of a season, from those of the months before and latent variables.

    Parameters
    ----------
    rows, columns : int
        Of the grid.
    predictors, targets : int
        Number of variables.
    leads, sources : int
        Number of leads, and of sources.
    patch : int
        Cells along each side of a patch.
    width, depth, heads : int
        Of the transformers; the decoder has ``depth`` layers, the others one.
    latent : int
        Dimensions of z.
    dropout : float

    Examples
    --------
    >>> network = CVAE(18, 36, 1, 1, 1, 1, width=16, heads=2)
    >>> fields = torch.zeros(2, 5, 18, 36)
    >>> condition = Condition(*torch.zeros(3, 2, dtype=torch.long))
    >>> encoded = network.encode(fields, condition)
    >>> network.decode(encoded, network.prior(encoded).mean).shape
    torch.Size([2, 1, 18, 36])
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        predictors: int,
        targets: int,
        leads: int,
        sources: int,
        patch: int = 3,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        latent: int = 16,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        sizes = (patch, width, depth, heads, latent)
        if not all(1 <= size <= 1024 for size in sizes) or width % heads or not 0 <= dropout < 1:
            raise ValueError(f"patch, width, depth, heads, latent = {sizes}, dropout={dropout}")
        self.shape, self.patch, self.targets = (rows, columns), patch, targets
        self.down, self.across = -(-rows // patch), -(-columns // patch)
        count, cells = self.down * self.across, patch * patch
        self.embed = nn.Linear((CHANNELS + 1) * predictors * cells, width)
        self.place = nn.Parameter(0.1 * torch.randn(count, width))
        self.season = nn.Linear(HARMONICS, width)
        self.lead = nn.Embedding(leads, width)
        self.source = nn.Embedding(sources, width)
        for table in (self.lead, self.source):
            nn.init.zeros_(table.weight)
        self.dropout = nn.Dropout(dropout)
        self.prior_layers = _transformer(width, 1, heads, dropout)
        self.prior_head = _Summary(count, width, latent)
        self.embed_target = nn.Linear(2 * targets * cells, width)
        self.posterior_layers = _transformer(width, 1, heads, dropout)
        self.posterior_head = _Summary(count, width, latent)
        self.embed_latent = nn.Linear(latent, width)
        self.from_latent = nn.Parameter(torch.ones(count, width))
        self.decoder_layers = _transformer(width, depth, heads, dropout)
        # An untrained network adds nothing, whatever its latent variables.
        self.head = nn.Parameter(torch.zeros(count, width, targets * cells))
        self.patterns = nn.Parameter(torch.zeros(latent, targets, rows * columns))
        self.noise = nn.Parameter(torch.zeros(targets, HARMONICS, rows * columns))
        self.noise_by_lead = nn.Parameter(torch.zeros(leads, targets, rows * columns))

    def encode(self, fields: torch.Tensor, condition: Condition) -> torch.Tensor:
        """Return tokens, (cases, patches, width), of inputs (cases, channels, rows, columns).

        Channels are those of each predictor, then a mask for each predictor, 1 where known.
        """
        embedding = self.season(harmonics(condition.season))
        embedding = embedding + self.lead(condition.lead) + self.source(condition.source)
        tokens: torch.Tensor = self.embed(self._patches(fields)) + self.place
        encoded: torch.Tensor = self.dropout(tokens + embedding[:, None])
        return encoded

    def prior(self, encoded: torch.Tensor) -> Gaussian:
        """Return p(z|x), whose mean is zero: the decoder holds the mean of y."""
        found: Gaussian = self.prior_head(self.prior_layers(encoded))
        return found._replace(mean=torch.zeros_like(found.mean))

    def posterior(self, encoded: torch.Tensor, target: torch.Tensor) -> Gaussian:
        """Return q(z|x, y) for a target that is NaN where missing."""
        known = torch.isfinite(target)
        fields = torch.cat([torch.nan_to_num(target), known.float()], 1)
        tokens = encoded + self.embed_target(self._patches(fields))
        found: Gaussian = self.posterior_head(self.posterior_layers(tokens))
        return found

    def decode(self, encoded: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        """Return the mean of p(y|x, z), (cases, targets, rows, columns)."""
        tokens = encoded + self.embed_latent(latent)[:, None] * self.from_latent
        tokens = self.decoder_layers(tokens)
        fields = self._fields(torch.einsum("btd,tdk->btk", tokens, self.head))
        latent_part = torch.einsum("bl,lvc->bvc", latent, self.patterns)
        return fields + latent_part.reshape(fields.shape)

    def log_sd(self, condition: Condition) -> torch.Tensor:
        """Return the log standard deviation of p(y|x, z), (cases, targets, rows, columns)."""
        found = torch.einsum("bh,vhc->bvc", harmonics(condition.season), self.noise)
        found = found + self.noise_by_lead[condition.lead]
        return found.clamp(-4, 2).reshape(*found.shape[:2], *self.shape)

    def _patches(self, fields: torch.Tensor) -> torch.Tensor:
        size = self.patch
        pad = (0, self.across * size - self.shape[1], 0, self.down * size - self.shape[0])
        shape = (len(fields), -1, self.down, size, self.across, size)
        blocks = F.pad(fields, pad).reshape(shape)
        return blocks.permute(0, 2, 4, 1, 3, 5).reshape(len(fields), self.down * self.across, -1)

    def _fields(self, tokens: torch.Tensor) -> torch.Tensor:
        size = self.patch
        shape = (len(tokens), self.down, self.across, self.targets, size, size)
        blocks = tokens.reshape(shape).permute(0, 3, 1, 4, 2, 5)
        whole = blocks.reshape(len(tokens), self.targets, self.down * size, self.across * size)
        return whole[..., : self.shape[0], : self.shape[1]]


def _transformer(width: int, depth: int, heads: int, dropout: float) -> nn.Module:
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False)


class _Summary(nn.Module):
    """A normal distribution of z from tokens: a few numbers of each, then a layer over all."""

    def __init__(self, count: int, width: int, latent: int) -> None:
        super().__init__()
        self.each = nn.Linear(width, 8)
        self.all = nn.Linear(8 * count, 2 * latent)

    def forward(self, tokens: torch.Tensor) -> Gaussian:
        mean, log_var = self.all(self.each(tokens).flatten(1)).chunk(2, -1)
        return Gaussian(mean, log_var.clamp(-6, 4))
