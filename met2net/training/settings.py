"""Settings of optimization, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

__all__ = ["OptimizationSettings", "Precision", "ScheduleName"]

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
_LARGEST_SEED = 2**32 - 1  # NumPy's
ScheduleName = Literal["one_cycle", "cosine", "constant"]
_LATER = {"left_out_if_none": True}  # so that trainings made before keep their fingerprints


@dataclass(frozen=True, kw_only=True)
class OptimizationSettings:
    """How a network is trained.

    Attributes:
        learning_rate: the largest one in training.
        schedule: `one_cycle`, `cosine` or `constant`; see `learning_rate_factor`. Or settings of
            an own one, as `settings_of` gives them; see `Schedule`.
        max_epochs: passes over the training split.
        batch_size: windows that one device works on at once.
        batches_per_epoch: batches of a device that make an epoch, drawn anew each time, at most as
            many as there are; None: all.
        accumulate_batches: batches of a device whose gradients make one step: a step takes
            batch_size * accumulate_batches * devices windows, at an epoch's end maybe fewer.
        warmup_fraction: share of all steps in which the learning rate rises; an own schedule has
            its own.
        final_learning_rate: at the end of a `cosine` schedule; the other schedules have none.
        drop_path_fraction: share of the epochs in which drop path works; after it, no branch is
            left out any more. None: in all.
        weight_decay: decoupled from the gradient (AdamW); 0 is plain Adam.
        gradient_clip: largest norm of all gradients together; None: no limit.
        patience: epochs without a better validation score before training stops, which it then
            does at once where the score is no number; None: never.
        average_decay: weights are averaged over steps, keeping this share each step, and the
            average is what is validated and saved; None: no average.
        precision: number format of training: `32-true`; `bf16-mixed`; `16-mixed`, which scales
            losses against underflow and needs a GPU. Validation is always in float32.
        seed: of weights, order of windows and drop path.
        optimizer: name of a class of `torch.optim`; None: AdamW.
        optimizer_arguments: of that class, beside learning rate and weight decay, as
            `{"betas": [0.9, 0.95]}`; None: its own.

    Raises:
        ValueError: if a value is out of range.
    """

    learning_rate: float
    schedule: ScheduleName | Mapping[str, Any]
    max_epochs: int
    batch_size: int
    batches_per_epoch: int | None = None
    accumulate_batches: int = 1
    warmup_fraction: float = 0.3
    final_learning_rate: float = 0.0
    drop_path_fraction: float | None = None
    weight_decay: float = 0.0
    gradient_clip: float | None = None
    patience: int | None = None
    average_decay: float | None = None
    precision: Precision = "32-true"
    seed: int = 0
    optimizer: str | None = field(default=None, metadata=_LATER)
    optimizer_arguments: Mapping[str, Any] | None = field(default=None, metadata=_LATER)

    def __post_init__(self) -> None:
        """Check every value."""
        clip, patience, batches = self.gradient_clip, self.patience, self.batches_per_epoch
        decay, final = self.average_decay, self.final_learning_rate
        drop_path = self.drop_path_fraction
        for name, is_right, expected in (
            ("learning_rate", self.learning_rate > 0, "a positive number"),
            ("max_epochs", self.max_epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("batches_per_epoch", batches is None or batches >= 1, "at least 1 or none"),
            ("accumulate_batches", self.accumulate_batches >= 1, "at least 1"),
            ("warmup_fraction", 0 <= self.warmup_fraction < 1, "0 <= fraction < 1"),
            ("final_learning_rate", 0 <= final <= self.learning_rate, "0 to learning_rate"),
            ("drop_path_fraction", drop_path is None or 0 <= drop_path <= 1, "0 to 1 or none"),
            ("weight_decay", self.weight_decay >= 0, "at least 0"),
            ("gradient_clip", clip is None or clip > 0, "a positive number or none"),
            ("patience", patience is None or patience >= 1, "at least 1 or none"),
            ("average_decay", decay is None or 0 < decay < 1, "0 < decay < 1 or none"),
            ("seed", 0 <= self.seed <= _LARGEST_SEED, f"0 to {_LARGEST_SEED}"),
            (
                "schedule",
                isinstance(self.schedule, Mapping) or self.schedule in get_args(ScheduleName),
                _one_of(ScheduleName),
            ),
            ("precision", self.precision in get_args(Precision), _one_of(Precision)),
        ):
            if not is_right:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected {expected}")
        if self.optimizer is not None or self.optimizer_arguments is not None:
            # Imported here alone: settings are refused before PyTorch is loaded.
            from met2net.training.optimizers import check_optimizer

            check_optimizer(self.optimizer, self.optimizer_arguments)
        if isinstance(self.schedule, Mapping):
            from met2net.training.schedule import own_schedule

            own_schedule(self.schedule)


def _one_of(choices: object) -> str:
    """List the values of a Literal."""
    return "one of " + ", ".join(get_args(choices))
