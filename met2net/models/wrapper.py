"""Networks around others: what they add to inputs, and what then is left to learn."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor, nn

__all__ = [
    "LearningProblem", "Wrapper", "innermost", "known_init_time", "needs_init_time", "run_network",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class LearningProblem:
    """A batch as a network sees it.

    Attributes:
        network: without the wrappers that made this problem.
        inputs: what its encoders see.
        targets: what its decoders have to give.
        target_frames: the target frames as its encoders would see them.
        init_time: hours since 1970-01-01T00 UTC, where known.
        weights: what squared errors count, a lead time and channel, where targets are scaled
            otherwise for each lead time; the mean over lead times is 1. None: all alike.
    """

    network: nn.Module
    inputs: Float[Tensor, "b t c h w"]
    targets: Float[Tensor, "b t2 c2 h w"]
    target_frames: Float[Tensor, "b t2 c h w"]
    init_time: Int64[Tensor, " b"] | None = None
    weights: Float[Tensor, "t2 c2"] | None = None


class Wrapper(nn.Module):
    """A forecaster around another one, `forecaster`, whose inputs it makes.

    `forward` takes the init times as well; a wrapper that needs them, or has such a one inside,
    refuses a batch without.

    Attributes:
        forecaster: the network inside.
        uses_init_time: whether this wrapper itself needs the init times.
    """

    forecaster: nn.Module
    uses_init_time = False

    @abstractmethod
    def encoded(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t c2 h w"]:
        """Give the inputs of the network inside."""

    @abstractmethod
    def inside(self, problem: LearningProblem) -> LearningProblem:
        """Give the problem of the network inside."""

    @property
    def trace(self) -> Callable[..., dict[str, Tensor]]:
        """Give the inner network's trace; exists only where that has one."""
        return self._delegate("trace")

    @property
    def attention_maps(self) -> Callable[..., Tensor]:
        """Give the inner network's attention maps; exists only where that has them."""
        return self._delegate("attention_maps")

    def _delegate(self, name: str) -> Callable[..., Any]:
        """Look the method up in the inner network and feed it what that sees."""
        method, inner = getattr(self.forecaster, name), self.forecaster

        def run(inputs: Tensor, init_time: Tensor | None = None) -> Any:
            own = self.encoded(inputs, init_time)
            return method(own, init_time) if isinstance(inner, Wrapper) else method(own)

        return run


def needs_init_time(network: nn.Module) -> bool:
    """Tell whether a network forecasts only when it knows the init time."""
    if not isinstance(network, Wrapper):
        return False
    return network.uses_init_time or needs_init_time(network.forecaster)


def innermost(network: nn.Module) -> nn.Module:
    """Look through all wrappers."""
    return innermost(network.forecaster) if isinstance(network, Wrapper) else network


def run_network(
    network: nn.Module,
    inputs: Float[Tensor, "b t c h w"],
    init_time: Int64[Tensor, " b"] | None = None,
) -> Tensor:
    """Forecast (B T' C H W), with the init times where the network takes them.

    Raises:
        ValueError: if it needs them and there are none.
    """
    if isinstance(network, Wrapper):
        forecast: Tensor = network(inputs, init_time)
    else:
        forecast = network(inputs)
    return forecast


def known_init_time(init_time: Int64[Tensor, " b"] | None) -> Int64[Tensor, " b"]:
    """Give the init times, or refuse their absence.

    Raises:
        ValueError: if there are none.
    """
    if init_time is None:
        raise ValueError(
            "found no init time; expected one a sample: this network uses what is known in "
            "advance of the hours that it forecasts (climatology, sun, season)"
        )
    return init_time
