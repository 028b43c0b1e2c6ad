"""What can be drawn of a study: names, without the library that draws."""

__all__ = ["DRAWINGS"]

DRAWINGS = (
    "maps", "lead_time_mse", "lead_time_pcc", "cka", "attention", "distributions", "tracks", "bars",
    "learning_curves",
)  # fmt: skip
