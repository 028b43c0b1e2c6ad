"""A training set on disk, and the samples cut from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float64, Int8, Int64

from met2net.data.channel_roles import check_roles, hidden_places
from met2net.data.climatology import Climatology
from met2net.data.fields import Fields, StoredFields
from met2net.data.grid import Grid
from met2net.data.normalization import Method, Normalizer
from met2net.data.static_field_file import read_static_field, static_field_file
from met2net.data.static_fields import StaticField, static_variable
from met2net.data.stored_means import StoredMeans
from met2net.data.valid_points import ValidPoints
from met2net.data.variable_definitions import DEFINITIONS, Definition, define_all
from met2net.data.windows import WindowDataset, WindowSpec, find_windows, hours_since_epoch

__all__ = ["MEMORY_LIMIT", "SPLITS", "VALIDATION_AND_TEST", "VALID_MASK", "TrainingSet"]

SPLITS: dict[str, int] = {"train": 1, "validation": 2, "test": 3}
"""Values of `split(time)`; 0 is no split."""
VALIDATION_AND_TEST = 4
"""A further value: an hour of both, where published numbers were validated on the test split."""
VALID_MASK = "valid_mask"
"""Array of a store that has points without a value: 1 where a channel has one."""
MEMORY_LIMIT = 4 * 2**30
"""Fields up to this size [bytes] are mapped into memory unless told otherwise."""

_UPLOAD_HOURS = 1024  # copied to a device at once
_STATISTICS = ("mean", "std", "minimum", "maximum", "difference_std")
_ARRAYS = ("data", *_STATISTICS, "climatology", "split", "expver", "units")
_ATTRS = (
    "settings", "fingerprint", "archive_snapshot", "source", "attribution", "code_version",
    "variables", "normalization",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Normalized fields with all that belongs to them.

    Attributes:
        path: the store's folder; None for one that is in memory alone.
        channels: labels, in order.
        units: physical units, one a channel.
        variables: group name -> its channels; together all channels, in order.
        grid: latitudes and longitudes.
        hours: hours since 1970-01-01T00 UTC; may have gaps.
        split: see `SPLITS` and `VALIDATION_AND_TEST`.
        fields: normalized fields: mapped into memory, read from the store by rows, or a tensor.
        normalizer: to physical units and back.
        mean: of the training split, one a channel [physical units], whatever the normalization.
        std: standard deviation of the same.
        minimum: smallest value of the same.
        maximum: largest value of the same.
        difference_std: std of 6-hour differences in the training split [physical units]; of 8, 12
            or 24 hours where the time step does not divide 6 hours.
        climatology: normalized mean fields of the training split.
        attrs: the store's text attributes: settings, fingerprint, archive_snapshot, ...
        valid: points with a value, by channel, the same at every time; None where every point
            has one. Fields and climatology are filled elsewhere, statistics leave it out.
        static_fields: by name, of a set in memory; those of a stored set lie beside it, and
            `static_field` reads them.
    """

    path: Path | None
    channels: tuple[str, ...]
    units: tuple[str, ...]
    variables: dict[str, tuple[str, ...]]
    grid: Grid
    hours: Int64[np.ndarray, " time"]
    split: Int8[np.ndarray, " time"]
    fields: Fields
    normalizer: Normalizer
    mean: Float64[np.ndarray, " c"]
    std: Float64[np.ndarray, " c"]
    minimum: Float64[np.ndarray, " c"]
    maximum: Float64[np.ndarray, " c"]
    difference_std: Float64[np.ndarray, " c"]
    climatology: Climatology
    attrs: dict[str, str]
    valid: ValidPoints | None = None
    static_fields: Mapping[str, StaticField] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, *, memory_limit: int = MEMORY_LIMIT) -> "TrainingSet":
        """Open a store written by `pipelines.training_sets.prepare`.

        Args:
            path: the store's folder.
            memory_limit: fields up to this size [bytes] are mapped into memory; larger ones
                are read window by window. Samples are the same.

        Raises:
            ValueError: if there is no training set at `path`, or a part of it is missing.
        """
        dataset = _open_store(path)
        define_all(json.loads(dataset.attrs.get(DEFINITIONS, "{}")))
        channels = tuple(map(str, dataset["channel"].values))
        groups = json.loads(dataset.attrs["variables"])
        variables = {str(name): tuple(map(str, labels)) for name, labels in groups.items()}
        _check_groups(variables, channels)
        valid = None
        if VALID_MASK in dataset:
            valid = ValidPoints.of(dataset[VALID_MASK].values.astype(bool))
        return cls(
            path=path,
            channels=channels,
            units=tuple(map(str, dataset["units"].values)),
            variables=variables,
            grid=Grid.from_dataset(dataset),
            hours=hours_since_epoch(dataset["time"].values),
            split=dataset["split"].values,
            fields=StoredFields.open(path / "data", memory_limit=memory_limit, valid=valid),
            normalizer=_normalizer(dataset, channels),
            mean=dataset["mean"].values,
            std=dataset["std"].values,
            minimum=dataset["minimum"].values,
            maximum=dataset["maximum"].values,
            difference_std=dataset["difference_std"].values,
            climatology=Climatology(StoredMeans.open(path / "climatology", valid=valid)),
            attrs={str(name): str(value) for name, value in dataset.attrs.items()},
            valid=valid,
        )

    @classmethod
    def from_dataset(
        cls,
        dataset: xr.Dataset,
        *,
        variables: Mapping[str, Sequence[str]],
        splits: Mapping[str, slice | Sequence[Any]],
        names: Mapping[str, str] | None = None,
        definitions: Mapping[str, Definition | Mapping[str, Any]] | None = None,
        normalization: Method = "mean_std",
        smoothing_days: int = 61,
        static_fields: Sequence[str] = (),
    ) -> "TrainingSet":
        """Make a training set of fields in physical units, in memory.

        Mean, standard deviation and climatology are the training split's, as in a store that
        `pipelines.training_sets.prepare` writes.

        Args:
            dataset: `name(time[, level], latitude, longitude)`. Variables go by their CDS long
                names, labels or GRIB short names; axes may be `valid_time`, `lat`, `lon`,
                `pressure_level`, in any order and direction. Units must be those of the table
                of variables (`met2net.data.variables`); a field that says none is taken to have
                them.
            variables: group name -> channel labels: what a network has an encoder for, as
                `{"t2m": ["t2m"], "wind": ["u10", "v10"], "z": ["z500"]}`.
            splits: `train`, `validation` and `test` -> first and last time, both inside, as
                `("2016", "2018-06")`, which ends with June's last hour.
            names: channel label -> variable of the dataset, for other names.
            definitions: name -> `Definition`, for variables that the table lacks.
            normalization: see `met2net.data.normalization.METHODS`.
            smoothing_days: width of the climatology's running mean over days, odd.
            static_fields: `orography`, `land_sea_mask`, for networks that are to see them:
                variables of the dataset that do not change with time
                (`met2net.data.static_fields` has their usual names and units; `names` takes
                others).

        Raises:
            TypeError: if there is no Dataset, or a list where a mapping is due.
            ValueError: if variables, levels, units, axes or hours are not as above, a field says
                that it is something else (a maximum, an anomaly), a value cannot be weather, or is
                missing (of a variable that lacks values in places: not at the same points at
                every time), a channel is constant, or the training split has no climatology.
        """
        from met2net.data.dataset_training_set import training_set_of

        return training_set_of(
            dataset, variables=variables, splits=splits, names=names, definitions=definitions,
            normalization=normalization, smoothing_days=smoothing_days,
            static_fields=static_fields,
        )  # fmt: skip

    @property
    def masked(self) -> tuple[str, ...]:
        """Channels that lack a value somewhere."""
        return () if self.valid is None else self.valid.masked(self.channels)

    def static_field(self, name: str) -> StaticField:
        """Give the orography or the land-sea mask.

        Raises:
            ValueError: if there is no such field, the set has none, or its file is damaged or on
                another grid.
        """
        static_variable(name)
        if name in self.static_fields:
            return self.static_fields[name]
        if self.path is None:
            raise ValueError(
                f"the training set has {', '.join(self.static_fields) or 'no static fields'}; "
                f"expected {name}: name it in `static_fields` where the set is made"
            )
        found = read_static_field(static_field_file(self.path, name), name)
        found.check_grid(self.grid)
        return found

    def static_contents(self, names: Sequence[str]) -> dict[str, str]:
        """Give what names the values of static fields; see `static_field` for what it raises."""
        return {name: self.static_field(name).content for name in names}

    def in_split(self, name: str) -> Bool[np.ndarray, " time"]:
        """Tell which hours are in `train`, `validation` or `test`.

        Raises:
            ValueError: if there is no such split.
        """
        if name not in SPLITS:
            raise ValueError(f"unknown split {name!r}; expected one of: {', '.join(SPLITS)}")
        values = [SPLITS[name]] + ([] if name == "train" else [VALIDATION_AND_TEST])
        mask: Bool[np.ndarray, " time"] = np.isin(self.split, values)
        return mask

    def on_device(self, device: torch.device | str) -> "TrainingSet":
        """Hold all fields on a device: samples are gathered there, no batch travels."""
        fields = torch.empty(tuple(self.fields.shape), device=device)
        for start in range(0, len(fields), _UPLOAD_HOURS):
            rows = slice(start, start + _UPLOAD_HOURS)
            fields[rows] = torch.as_tensor(self.fields[rows])
        return replace(self, fields=fields)

    def windows(self, name: str, spec: WindowSpec) -> WindowDataset:
        """Give the samples of a split: every window whose frames all lie in it.

        Raises:
            ValueError: if there is no such split, or the spec names channels that there are not.
        """
        spec = spec.of_split(name)
        found = find_windows(self.hours, spec=spec, in_split=self.in_split(name))
        return self.cut(found, spec)

    def cut(self, rows: Int64[np.ndarray, "windows frames"], spec: WindowSpec) -> WindowDataset:
        """Give the samples of some windows, as `find_windows` gives them.

        Raises:
            ValueError: if the spec names channels that there are not.
        """
        check_roles(spec, self.channels)
        return WindowDataset(
            self.fields, hours=self.hours, windows=rows, spec=spec,
            hidden=hidden_places(spec, self.channels),
        )  # fmt: skip

    def some_windows(self, name: str, spec: WindowSpec) -> WindowDataset:
        """Give the samples of a split that has to have some.

        Raises:
            ValueError: if the split has no complete window.
        """
        windows = self.windows(name, spec)
        if len(windows) == 0:
            raise ValueError(
                f"found no window in split {name!r}, which has {int(self.in_split(name).sum())} "
                f"hours; expected at least {spec.span_hours} hours in a row, without a gap at the "
                f"frames {spec.input_hours} and {spec.target_hours} [hours from the init time]"
            )
        return windows


def _open_store(path: Path) -> xr.Dataset:
    """Open lazily, without Dask; refuse what is not a whole training set."""
    if not path.is_dir():
        raise ValueError(f"found no folder {path}; expected a training set")
    try:
        dataset: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=True)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"cannot open {path} as a training set (a Zarr store with consolidated metadata): "
            f"{error}"
        ) from error
    missing = [name for name in _ARRAYS if name not in dataset.variables]
    missing += [name for name in _ATTRS if name not in dataset.attrs]
    if missing:
        raise ValueError(f"{path} has no {', '.join(missing)}; expected a whole training set")
    return dataset


def _normalizer(dataset: xr.Dataset, channels: tuple[str, ...]) -> Normalizer:
    """Take the statistics that the fields were normalized with."""
    mean, std, minimum, maximum = (
        dataset[name].values for name in ("mean", "std", "minimum", "maximum")
    )
    method = str(dataset.attrs["normalization"])
    return Normalizer.from_statistics(
        channels, method=method, mean=mean, std=std, minimum=minimum, maximum=maximum
    )


def _check_groups(variables: dict[str, tuple[str, ...]], channels: Sequence[str]) -> None:
    """Refuse groups that are not the channels in order."""
    grouped = tuple(label for labels in variables.values() for label in labels)
    if grouped != tuple(channels):
        raise ValueError(
            f"the variables' channels are {', '.join(grouped)}; "
            f"expected the store's, in order: {', '.join(channels)}"
        )
