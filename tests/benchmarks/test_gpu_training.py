"""Training on a GPU: as on the CPU; in bf16 and compiled, against plain float32 in the same run."""

import time
from collections.abc import Callable

import pytest
import torch

from met2net.models.evaluation_mode import evaluation_mode
from met2net.models.met2net import Met2Net
from met2net.training.compilation import compile_parts
from met2net.training.two_stage import TwoStage

pytestmark = [
    pytest.mark.bench,
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]

BATCH, FRAMES, CHANNELS, GRID = 16, 12, 4, (128, 128)
SMALL: dict[str, object] = {"spatial_dim": 8, "latent_dim": 32, "num_blocks": 2, "drop_path": 0.0}


class Training:
    """A model and its optimizer; one call is one step."""

    def __init__(
        self, *, bfloat16: bool = False, compiled: bool = False, device: str = "cuda",
        **sizes: object,
    ) -> None:  # fmt: skip
        torch.manual_seed(0)
        labels = ("msl", "u10", "v10", "t2m")
        self.network = Met2Net(
            variables={label: (label,) for label in labels},
            **{"num_inputs": FRAMES, "num_targets": FRAMES, "num_scales": 4, **sizes},
        ).to(device)
        self.objective = TwoStage(translator_momentum=0.9)
        self.objective.prepare(self.network)
        self.objective.to(device)
        if compiled:
            compile_parts(self.network, copies=self.objective)
        self.precision = torch.autocast(device, dtype=torch.bfloat16, enabled=bfloat16)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=5e-4, weight_decay=0)

    def __call__(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.optimizer.zero_grad()
        total = torch.zeros((), device=inputs.device)
        stages = self.objective.stages(self.network, inputs, targets)
        while True:
            with self.precision:
                stage = next(stages, None)
            if stage is None:
                break
            stage["loss"].backward()
            total += stage.pop("loss").detach()
        self.optimizer.step()
        self.objective.after_step(self.network)
        return total


@pytest.fixture
def plain_float32() -> object:
    """Without TensorFloat-32, as PyTorch's matrix products are by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def make_batch(
    seed: int = 0,
    *,
    device: str = "cuda",
    batch: int = BATCH,
    grid: tuple[int, int] = GRID,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Waves that move: something to learn."""
    generator = torch.Generator().manual_seed(seed)
    phase, speed = torch.rand(2, batch, 1, CHANNELS, 1, 1, generator=generator) * 6.28
    time_axis = torch.arange(2 * FRAMES)[:, None, None, None]
    x = torch.linspace(0, 12.57, grid[1])
    y = torch.linspace(0, 3.14, grid[0])[:, None]
    frames = torch.sin(x + phase + 0.1 * speed * time_axis) * torch.sin(y)
    frames = frames + 0.1 * torch.randn(frames.shape, generator=generator)
    return frames[:, :FRAMES].to(device), frames[:, FRAMES:].to(device)


def measure(training: Training) -> tuple[float, int]:
    """Give seconds a step (the median) and the largest memory [bytes]."""
    batch = make_batch()
    for _ in range(4):
        training(*batch)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(15):
        start = time.perf_counter()
        training(*batch)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2], torch.cuda.max_memory_allocated()


def forecast_and_curve(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the first forecast of a small network, and its losses over 20 steps."""
    training = Training(device=device, **SMALL)
    batch = make_batch(device=device, batch=2, grid=(16, 32))
    with evaluation_mode(training.network):
        forecast = training.network(batch[0])
    losses = torch.stack([training(*batch) for _ in range(20)])
    return forecast.cpu(), losses.cpu()


def test_it_forecasts_and_learns_as_the_cpu_does(
    plain_float32: None, record_ratio: Callable[..., None]
) -> None:
    forecasts, curves = zip(*(forecast_and_curve(d) for d in ("cpu", "cuda")), strict=True)
    difference = (forecasts[0] - forecasts[1]).abs().max().item() / forecasts[0].std().item()
    drift = (curves[1] / curves[0] - 1).abs().max().item()
    record_ratio("GPU forecast: largest difference / spread", difference, bound="<= 1e-4")
    record_ratio("GPU loss curve of 20 steps: largest difference", drift, bound="<= 1e-2")
    assert difference <= 1e-4
    assert drift <= 1e-2


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_what_each_way_to_train_costs(
    bfloat16: bool, compiled: bool, plain_float32: None, record_ratio: Callable[..., None]
) -> None:
    seconds, memory = measure(Training(bfloat16=bfloat16, compiled=compiled))
    way = f"{'bf16' if bfloat16 else 'float32'}{', compiled' if compiled else ''}"
    card = torch.cuda.get_device_name()
    record_ratio(f"{card}, ERA5 size, batch {BATCH}, {way}: a step", seconds, bound="reported",
                 unit="s")  # fmt: skip
    record_ratio(f"{card}, ERA5 size, batch {BATCH}, {way}: memory", memory / 2**30,
                 bound="reported", unit="GiB")  # fmt: skip
    assert seconds > 0


def test_bf16_and_compiled_is_four_times_as_fast_in_half_the_memory(
    plain_float32: None, record_ratio: Callable[..., None]
) -> None:
    plain_seconds, plain_bytes = measure(Training())
    torch.cuda.empty_cache()
    fast_seconds, fast_bytes = measure(Training(bfloat16=True, compiled=True))
    speed, memory = plain_seconds / fast_seconds, fast_bytes / plain_bytes
    record_ratio("GPU training step, ERA5 size: float32 / bf16 compiled", speed, bound=">= 4")
    record_ratio("GPU training memory: bf16 compiled / float32", memory, bound="<= 0.5")
    assert speed >= 4
    assert memory <= 0.5


def test_the_loss_curve_of_300_steps_is_that_of_float32_within_noise(
    plain_float32: None, record_ratio: Callable[..., None]
) -> None:
    def curve(*, fast: bool, first: int) -> torch.Tensor:
        training = Training(bfloat16=fast, compiled=fast)
        batches = [make_batch(first + i) for i in range(10)]
        # Drop path draws from the seed: another one is another, equally good training.
        torch.manual_seed(first)
        losses = torch.stack([training(*batches[i % 10]) for i in range(300)])
        return losses.unflatten(0, (10, 30)).mean(dim=1).log().cpu()

    plain, other, fast = (
        curve(fast=False, first=0), curve(fast=False, first=100), curve(fast=True, first=0)
    )  # fmt: skip
    noise = (other - plain).abs().max().item()
    difference = (fast - plain).abs().max().item()
    record_ratio("GPU loss curve: bf16 / noise between seeds", difference / noise, bound="<= 1")
    # Means of 30 steps, relative.
    assert difference <= max(noise, 0.02)
