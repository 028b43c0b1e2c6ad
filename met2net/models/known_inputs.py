"""What is known of every hour in advance, as further inputs of any network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.data.climatology import Climatology
from met2net.data.grid import Grid
from met2net.data.static_fields import STATIC_VARIABLES, StaticField
from met2net.data.valid_points import ValidPoints
from met2net.models.channels import check_input_variables
from met2net.models.known_fields import OF_PLACE, KnownField, moving_fields, moving_labels
from met2net.models.seasonal_cycle import SeasonalCycle
from met2net.models.wrapper import LearningProblem, Wrapper, known_init_time, run_network

__all__ = ["KnownInputs"]


class KnownInputs(Wrapper):
    """Wrap a forecaster so that it sees fields that follow from time and place alone.

    Every variable's encoder sees them as input-only channels. With an input frame stand the fields
    of its own hour and those of the target hours at its place, so that all target hours are spread
    over the input frames; of place, once. What is forecast stays the same.

    Args:
        variables: groups of forecast channels in channel order.
        forecaster: builds the inner network from `variables` and `input_variables`.
        fields: which of `met2net.models.known_fields.KnownField`, in order.
        input_hours: offsets of the input frames from the init time.
        target_hours: lead times.
        latitude: of the grid [degrees north].
        longitude: of the grid [degrees east].
        num_seasons: of the climatology, see `SeasonalCycle`.
        num_hours: of the climatology, likewise.
        input_variables: channels that the forecaster is given beside; None: the forecast ones.
        masked: channels that lack a value somewhere, whose masks are seen where `valid_mask` is
            among the fields.
        static: `StaticField.content` of the static fields among the fields, by name: what their
            values must be. One that is not named may have any.

    Raises:
        ValueError: if a field is unknown or twice, there is none, or the groups are wrong.
    """

    latitude: Tensor
    longitude: Tensor
    valid_mask: Tensor
    static_fields: Tensor

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        forecaster: Callable[..., nn.Module],
        fields: Sequence[str],
        input_hours: Sequence[int],
        target_hours: Sequence[int],
        latitude: Sequence[float],
        longitude: Sequence[float],
        num_seasons: int = 1,
        num_hours: int = 1,
        input_variables: Mapping[str, Sequence[str]] | None = None,
        masked: Sequence[str] = (),
        static: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        unknown = sorted(set(fields) - set(get_args(KnownField)))
        if unknown or not fields or len(set(fields)) < len(fields):
            raise ValueError(
                f"fields are {', '.join(fields) or 'none'}; expected some of "
                f"{', '.join(get_args(KnownField))}, each once"
            )
        self.variables = check_variables(variables)
        self.input_variables = check_input_variables(input_variables, variables=self.variables)
        self.fields = tuple(fields)
        self.uses_init_time = not set(fields) <= set(OF_PLACE)
        self.masked = tuple(masked)
        others = sorted(set(self.masked) - set(channel_labels(variables)))
        if others:
            raise ValueError(
                f"masked has {', '.join(others)}; expected some of "
                f"{', '.join(channel_labels(variables))}"
            )
        self.input_hours, self.target_hours = tuple(input_hours), tuple(target_hours)
        self._groups = -(-len(target_hours) // len(input_hours))
        axes = [torch.tensor(list(axis), dtype=torch.float32) for axis in (latitude, longitude)]
        self.register_buffer("latitude", axes[0])
        self.register_buffer("longitude", axes[1])
        if "valid_mask" in self.fields:
            shape = (len(self.masked), len(axes[0]), len(axes[1]))
            self.register_buffer("valid_mask", torch.zeros(shape))
        self.static_names = tuple(field for field in self.fields if field in STATIC_VARIABLES)
        self._static_content = dict(static or {})
        if self.static_names:
            shape = (len(self.static_names), len(axes[0]), len(axes[1]))
            self.register_buffer("static_fields", torch.zeros(shape))
        if "climatology" in self.fields:
            self.climatology = SeasonalCycle(
                num_channels=len(channel_labels(variables)),
                grid_shape=(len(axes[0]), len(axes[1])),
                num_seasons=num_seasons,
                num_hours=num_hours,
            )
        self.forecaster = forecaster(variables=self.variables, input_variables=self._seen())

    def fit_climatology(self, climatology: Climatology) -> None:
        """Take the climatology of the training split, where it is among the fields."""
        if "climatology" in self.fields:
            self.climatology.fit(climatology)

    def set_valid_points(self, valid: ValidPoints | None) -> None:
        """Take the points with a value, where the mask is among the fields.

        Raises:
            ValueError: if other channels lack a value than the network was built for.
        """
        if "valid_mask" not in self.fields:
            return
        labels = channel_labels(self.variables)
        found = () if valid is None else valid.masked(labels)
        if valid is None or found != self.masked:
            raise ValueError(
                f"found channels that lack a value somewhere: {', '.join(found) or 'none'}; "
                f"expected {', '.join(self.masked) or 'some'}"
            )
        places = [labels.index(label) for label in self.masked]
        self.valid_mask.copy_(valid.tensor[places])

    def set_static_fields(self, given: Mapping[str, StaticField]) -> None:
        """Take the static fields that are among the fields.

        Raises:
            ValueError: if one is missing, on another grid, or of other values than the network was
                built for.
        """
        for place, name in enumerate(self.static_names):
            if name not in given:
                raise ValueError(
                    f"found static fields {', '.join(given) or 'none'}; expected {name}, which is "
                    "among the known inputs"
                )
            field = given[name]
            field.check_grid(Grid(tuple(self.latitude.tolist()), tuple(self.longitude.tolist())))
            expected = self._static_content.get(name, field.content)
            if field.content != expected:
                raise ValueError(
                    f"{name} has content {field.content}; expected {expected}, for which the "
                    "network was built"
                )
            self.static_fields[place].copy_(torch.from_numpy(field.seen))

    def forward(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t2 c2 h w"]:
        """Forecast what the network inside does.

        Raises:
            ValueError: if there is no init time, and a field is not of the place alone.
        """
        return run_network(self.forecaster, self.encoded(inputs, init_time), init_time)

    def encoded(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t c2 h w"]:
        """Put the known fields beside the channels of every variable."""
        return self._encode(inputs, self._known(init_time), own_hours=self.input_hours)

    def inside(self, problem: LearningProblem) -> LearningProblem:
        """Learn the same from more."""
        init_time = self._known(problem.init_time)
        return replace(
            problem,
            network=self.forecaster,
            inputs=self._encode(problem.inputs, init_time, own_hours=self.input_hours),
            target_frames=self._encode(
                problem.target_frames, init_time, own_hours=self.target_hours
            ),
        )

    def _known(self, init_time: Tensor | None) -> Tensor | None:
        """Give the init times where fields depend on them."""
        return known_init_time(init_time) if self.uses_init_time else None

    def _seen(self) -> dict[str, list[str]]:
        """Name the channels that the network inside sees, a variable's after the other."""
        whens = ["now", *(f"ahead {group}" for group in range(self._groups))]
        common = [f"{label} {when}" for when in whens for label in moving_labels(self.fields)]
        common += ["sine of latitude"] if "latitude" in self.fields else []
        common += ["cosine of longitude", "sine of longitude"] * ("longitude" in self.fields)
        common += [f"points of {label}" for label in self.masked] * ("valid_mask" in self.fields)
        common += self.static_names
        seen = {}
        for name, labels in self.input_variables.items():
            own = [
                f"climatology of {label} {when}"
                for when in whens
                for label in self.variables[name]
                if "climatology" in self.fields
            ]
            seen[name] = [*labels, *own, *(f"{field} beside {name}" for field in common)]
        return seen

    def _encode(
        self, frames: Tensor, init_time: Tensor | None, *, own_hours: tuple[int, ...]
    ) -> Tensor:
        """Lay out, for every variable: its channels, its climatology, the common fields."""
        # Plain numbers: a program that is exported cannot ask tensors for them.
        places = [frame % len(self.input_hours) for frame in range(frames.shape[1])]
        last = len(self.target_hours) - 1
        # Frame t has target hours t, t + T, t + 2 T ...; past the last one, the last one.
        whens = [
            own_hours,
            *(
                tuple(
                    self.target_hours[min(place + group * len(self.input_hours), last)]
                    for place in places
                )
                for group in range(self._groups)
            ),
        ]
        with torch.no_grad():
            common = self._of_place(frames)
            climate: list[Tensor] = []
            if init_time is not None:
                common = [*self._moving(frames, init_time, whens), *common]
                if "climatology" in self.fields:
                    climate = [self.climatology(init_time, hours) for hours in whens]
        sizes = [len(labels) for labels in self.input_variables.values()]
        own_sizes = [len(labels) for labels in self.variables.values()]
        cut = [torch.split(fields, own_sizes, dim=2) for fields in climate]
        pieces: list[Tensor] = []
        for number, piece in enumerate(torch.split(frames, sizes, dim=2)):
            pieces += [piece, *(fields[number] for fields in cut), *common]
        return torch.cat(pieces, dim=2)

    def _moving(
        self, frames: Tensor, init_time: Tensor, whens: Sequence[tuple[int, ...]]
    ) -> Iterator[Float[Tensor, "b t 1 h w"]]:
        """Give the fields of hours that all variables see."""
        for hours in whens:
            valid = init_time[:, None] + torch.tensor(hours, device=init_time.device)
            yield from moving_fields(
                self.fields, valid, latitude=self.latitude, longitude=self.longitude,
                dtype=frames.dtype,
            )  # fmt: skip

    def _of_place(self, frames: Tensor) -> list[Float[Tensor, "b t k h w"]]:
        """Give the fields of places that all variables see."""
        shape = (*frames.shape[:2], 1, *frames.shape[3:])
        found: list[Tensor] = []
        if "latitude" in self.fields:
            sine = torch.sin(torch.deg2rad(self.latitude)).to(frames)
            found.append(sine[:, None].expand(shape))
        if "longitude" in self.fields:
            angle = torch.deg2rad(self.longitude).to(frames)
            found += [f(angle).expand(shape) for f in (torch.cos, torch.sin)]
        if "valid_mask" in self.fields:
            found += [mask.to(frames).expand(shape) for mask in self.valid_mask]
        if self.static_names:
            found += [field.to(frames).expand(shape) for field in self.static_fields]
        return found
