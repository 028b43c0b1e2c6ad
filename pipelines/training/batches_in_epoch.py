"""How many batches an epoch of a training has."""

from met2net.data.batches import BatchOrder
from met2net.training.settings import OptimizationSettings

__all__ = ["batches_in_epoch"]


def batches_in_epoch(
    settings: OptimizationSettings, *, num_windows: int, num_devices: int = 1
) -> int:
    """Count the batches that each device sees in an epoch.

    A last batch that is not full is left out, unless it is the only one; `batches_per_epoch` takes
    so many of them, at most all.

    Args:
        settings: batch size and `batches_per_epoch`.
        num_windows: of the training split.
        num_devices: that share them.
    """
    order = BatchOrder.of_split(
        num_windows, settings.batch_size, training=True, world_size=num_devices
    )
    there = order.num_batches
    return min(there, settings.batches_per_epoch or there)
