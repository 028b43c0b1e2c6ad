"""Met2Net at the sizes of its paper, as settings that still lack variables and frames.

`train` fills these in from a training set and its windows. Source: Li et al. 2025,
arXiv:2507.17189, and the configurations released with it; batch 16, Adam, momentum of the
translator 0.9 (MvMmfnist 0.999, TaxiBJ 0).
"""

from typing import Any

from met2net.models.met2net import Met2Net
from met2net.models.own_classes import settings_of

__all__ = [
    "met2net_era5_cropped",
    "met2net_mvmmfnist",
    "met2net_taxibj",
    "met2net_weather_h",
    "met2net_weather_ha",
    "met2net_weather_l",
]


def met2net_weather_l(**changes: Any) -> dict[str, Any]:
    """5.625 degrees, 32 x 64 points, 12 hourly frames to 12: hid_S 32, hid_T 256, N_T 8, N_S 2."""
    return _published(changes)


def met2net_weather_h(**changes: Any) -> dict[str, Any]:
    """2.8125 degrees, 64 x 128 points, 12 hourly frames to 12: as Weather_L, with N_S 4."""
    return _published(changes, num_scales=4)


def met2net_weather_ha(**changes: Any) -> dict[str, Any]:
    """Three levels of r, t, u, v at 32 x 64 points, 4 six-hourly frames to 4: as Weather_L."""
    return _published(changes)


def met2net_era5_cropped(**changes: Any) -> dict[str, Any]:
    """ERA5 cropped to 128 x 128 points, 12 hourly frames to 12: as Weather_L, with N_S 4."""
    return _published(changes, num_scales=4)


def met2net_mvmmfnist(**changes: Any) -> dict[str, Any]:
    """Moving digits, 64 x 64 points, 10 frames to 10: hid_S 64, hid_T 512, N_S 4, no drop path."""
    return _published(changes, spatial_dim=64, latent_dim=512, num_scales=4, drop_path=0.0)


def met2net_taxibj(**changes: Any) -> dict[str, Any]:
    """Taxi flows, 32 x 32 points, 4 frames to 4, one variable of two channels: as Weather_L."""
    return _published(changes)


def _published(changes: dict[str, Any], **sizes: Any) -> dict[str, Any]:
    """Give the sizes of Weather_L, with those of other data, then the caller's."""
    weather_l = {
        "spatial_dim": 32, "latent_dim": 256, "num_blocks": 8, "num_scales": 2, "num_heads": 8,
        "drop_path": 0.1,
    }  # fmt: skip
    return settings_of(Met2Net, **{**weather_l, **sizes, **changes})
