"""Met2Net and its training steps, written plainly: the oracle of the fast ones.

Every variable in a Python loop, both passes computed in full, PyTorch's default layout, every
tap of every kernel, losses as written in the paper. Parameters have the fast network's names,
so that its state loads here. Source: Li et al. 2025, arXiv:2507.17189.
"""

import copy
import math

import torch
from torch import Tensor, nn


class PlainNetwork(nn.Module):
    """Met2Net with TAU blocks; `groups` are the channels of each encoder and decoder.

    `identities` beside the one inside the TAU block: 2 as released.
    """

    def __init__(
        self,
        groups: list[int],
        *,
        num_inputs: int,
        num_targets: int,
        input_groups: list[int] | None = None,
        spatial_dim: int = 32,
        latent_dim: int = 256,
        num_blocks: int = 8,
        num_scales: int = 2,
        num_heads: int = 8,
        drop_path: float = 0.0,
        shared: bool = False,
        attention: bool = True,
        identities: int = 2,
    ) -> None:
        super().__init__()
        down = [bool(i % 2) for i in range(num_scales)]
        inputs = input_groups or groups
        self.groups, self.input_groups, self.spatial_dim = groups, inputs, spatial_dim
        self.encoders = nn.Module()
        self.encoders.variables = nn.ModuleList(
            nn.Sequential(
                *(
                    _layer(spatial_dim if i else size, spatial_dim, stride=1 + down[i])
                    for i in range(num_scales)
                )
            )
            for size in (inputs[:1] if shared else inputs)
        )
        self.translator = nn.Module()
        self.translator.project_in = nn.Conv2d(num_inputs * spatial_dim, latent_dim, 1)
        self.translator.blocks = nn.ModuleList(
            _Block(latent_dim, num_heads, drop_path, attention, identities)
            for _ in range(num_blocks)
        )
        self.translator.project_out = nn.Conv2d(latent_dim, num_targets * spatial_dim, 1)
        self.decoders = nn.Module()
        self.decoders.variables = nn.ModuleList(
            nn.Sequential(
                *(_layer(spatial_dim, spatial_dim, up=is_up) for is_up in reversed(down)),
                nn.Conv2d(spatial_dim, size, 1),
            )
            for size in (groups[:1] if shared else groups)
        )


def _layer(in_channels: int, out_channels: int, *, stride: int = 1, up: bool = False) -> nn.Module:
    layer = nn.Sequential()
    factor = 4 if up else 1
    layer.add_module(
        "convolution", nn.Conv2d(in_channels, factor * out_channels, 3, stride=stride, padding=1)
    )
    if up:
        layer.add_module("shuffle", nn.PixelShuffle(2))
    layer.add_module("norm", nn.GroupNorm(2, out_channels))
    layer.add_module("activation", nn.SiLU())
    return layer


def _projection(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(dim, dim, 1, bias=False), nn.GroupNorm(1, dim))


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value = (_projection(dim) for _ in range(3))
        self.output = nn.Sequential(_projection(dim), nn.SiLU())

    def forward(self, latent: Tensor) -> Tensor:
        batch, variables, dim, height, width = latent.shape
        fields = latent.reshape(batch * variables, dim, height, width)
        query, key, value = (
            part(fields)
            .reshape(batch, variables, self.num_heads, -1)
            .transpose(1, 2)  # (B, head, V, length)
            for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2)
        return self.output(mixed.reshape(fields.shape)).reshape(latent.shape)


class _Tau(nn.Module):
    def __init__(self, dim: int, drop_path: float) -> None:
        super().__init__()
        self.rate = drop_path
        self.gate_norm = nn.BatchNorm2d(dim)
        self.gate = nn.Module()
        self.gate.project_in = nn.Conv2d(dim, dim, 1)
        self.gate.attention = nn.Sequential(
            nn.Conv2d(dim, dim, 5, padding=2, groups=dim),
            nn.Conv2d(dim, dim, 7, padding=9, dilation=3, groups=dim),
            nn.Conv2d(dim, dim, 1),
        )
        self.gate.project_out = nn.Conv2d(dim, dim, 1)
        self.gate_scale = nn.Parameter(torch.full((dim, 1, 1), 1e-2))
        self.mlp_norm = nn.BatchNorm2d(dim)
        self.mlp = nn.Sequential(
            nn.Conv2d(dim, 4 * dim, 1),
            nn.Conv2d(4 * dim, 4 * dim, 3, padding=1, groups=4 * dim),
            nn.GELU(),
            nn.Conv2d(4 * dim, dim, 1),
        )
        self.mlp_scale = nn.Parameter(torch.full((dim, 1, 1), 1e-2))

    def forward(self, fields: Tensor) -> Tensor:
        normed = self.gate_norm(fields)
        hidden = nn.functional.gelu(self.gate.project_in(normed))
        gated = self.gate.project_out(hidden * self.gate.attention(hidden)) + normed
        fields = fields + self._drop(self.gate_scale * gated)
        return fields + self._drop(self.mlp_scale * self.mlp(self.mlp_norm(fields)))

    def _drop(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return branch
        keep = branch.new_empty(len(branch), 1, 1, 1).bernoulli_(1 - self.rate)
        return branch * keep / (1 - self.rate)


class _Block(nn.Module):
    def __init__(
        self, dim: int, num_heads: int, drop_path: float, attention: bool, identities: int
    ) -> None:
        super().__init__()
        self.identities = identities
        if attention:
            self.attention = _Attention(dim, num_heads)
            self.attention_norm = nn.GroupNorm(1, dim)
        self.has_attention = attention
        self.space_time = _Tau(dim, drop_path)
        self.space_time_norm = nn.GroupNorm(1, dim)

    def forward(self, latent: Tensor) -> Tensor:
        fields = latent.flatten(end_dim=1)
        if self.has_attention:
            fields = self.attention_norm((latent + self.attention(latent)).flatten(end_dim=1))
        hidden = self.space_time(fields)
        for _ in range(self.identities):
            hidden = hidden + fields
        fields = self.space_time_norm(hidden)
        return fields.reshape(latent.shape)


def encode(network: PlainNetwork, encoders: nn.Module, frames: Tensor) -> Tensor:
    """Give (B, V, T*D, h, w)."""
    batch, time = frames.shape[:2]
    latents = []
    for i, part in enumerate(frames.split(network.input_groups, dim=2)):
        encoder = encoders.variables[i % len(encoders.variables)]
        latents.append(encoder(part.flatten(end_dim=1)))
    stacked = torch.stack(latents, dim=1)  # (B*T, V, D, h, w)
    stacked = stacked.unflatten(0, (batch, time)).transpose(1, 2)
    return stacked.flatten(2, 3)


def translate(translator: nn.Module, latent: Tensor) -> Tensor:
    """Give (B, V, T'*D, h, w)."""
    hidden = translator.project_in(latent.flatten(end_dim=1)).unflatten(0, latent.shape[:2])
    for block in translator.blocks:
        hidden = block(hidden)
    return translator.project_out(hidden.flatten(end_dim=1)).unflatten(0, latent.shape[:2])


def decode(network: PlainNetwork, latent: Tensor) -> Tensor:
    """Give (B, T', C, H, W)."""
    decoders = network.decoders.variables
    fields = []
    for i in range(latent.shape[1]):
        frames = latent[:, i].unflatten(1, (-1, network.spatial_dim))
        decoded = decoders[i % len(decoders)](frames.flatten(end_dim=1))
        fields.append(decoded.unflatten(0, frames.shape[:2]))
    return torch.cat(fields, dim=2)


def forecast(network: PlainNetwork, inputs: Tensor) -> Tensor:
    """Run inference."""
    latent = encode(network, network.encoders, inputs)
    return decode(network, translate(network.translator, latent))


def weighted_mse(found: Tensor, expected: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    """Give the mean of weights * squared error."""
    return (weights * (found - expected) ** 2).mean()


def two_stage(
    network: PlainNetwork,
    momentum_translator: nn.Module,
    momentum_encoders: nn.Module,
    *,
    inputs: Tensor,
    targets: Tensor,
    target_frames: Tensor,
    weights: Tensor | float = 1.0,
    latent_weights: Tensor | float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Give L1 and L2, each by a forward pass of its own."""
    latent = encode(network, network.encoders, inputs)
    predicted = decode(network, translate(momentum_translator, latent))
    first = weighted_mse(predicted, targets, weights)
    with torch.no_grad():
        seen = encode(network, momentum_encoders, inputs)
        aim = encode(network, momentum_encoders, target_frames)
    second = weighted_mse(translate(network.translator, seen), aim, latent_weights)
    return first, second


def reconstruction(
    network: PlainNetwork, *, target_frames: Tensor, targets: Tensor, weights: Tensor | float = 1.0
) -> Tensor:
    """Give the loss of the autoencoders alone."""
    decoded = decode(network, encode(network, network.encoders, target_frames))
    return weighted_mse(decoded, targets, weights)


def momentum_parts(network: PlainNetwork) -> tuple[nn.Module, nn.Module]:
    """Copy translator and encoders; the copies get no gradients."""
    return tuple(
        copy.deepcopy(part).requires_grad_(False) for part in (network.translator, network.encoders)
    )


def latent_prediction(
    network: PlainNetwork,
    *,
    inputs: Tensor,
    target_frames: Tensor,
    weights: Tensor | float = 1.0,
) -> Tensor:
    """Give the loss of the translator between frozen encoders."""
    with torch.no_grad():
        seen = encode(network, network.encoders, inputs)
        aim = encode(network, network.encoders, target_frames)
    return weighted_mse(translate(network.translator, seen), aim, weights)
