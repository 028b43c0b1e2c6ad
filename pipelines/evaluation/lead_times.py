"""How lead times and places of a file of scores or examples are written: of weather, of images."""

import xarray as xr

from pipelines.image_sequences.sequences import IMAGE_SEQUENCES

__all__ = ["has_images", "lead_axis", "lead_name"]


def has_images(dataset: xr.Dataset | xr.DataArray) -> bool:
    """Tell whether lead times are frames, and places pixels, of image sequences."""
    return bool(dataset.attrs.get("form") == IMAGE_SEQUENCES)


def lead_name(dataset: xr.Dataset, lead: float) -> str:
    """Write a lead time, as `+6 h` or `frame 6`."""
    return f"frame {int(lead)}" if has_images(dataset) else f"+{int(lead)} h"


def lead_axis(dataset: xr.Dataset) -> str:
    """Write the label of an axis of lead times."""
    return "lead time [frames]" if has_images(dataset) else "lead time [h]"
