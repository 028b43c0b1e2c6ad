"""Names that variables have in somebody's files: `air` for `2m_temperature`, `vo` for `vo850`."""

from collections import defaultdict
from collections.abc import Mapping

import xarray as xr

from met2net.data.variables import Channel, channel, is_channel, known_variables, variable
from pipelines.errors import DataError
from pipelines.formats.levels import HELD_LEVELS

__all__ = ["check_file_names", "with_house_names"]

_LEVELS = ("level", "pressure_level", "isobaricInhPa", "plev")
# What says what a field is. Whoever gives its name knows better; what it is in (units) and how it
# came about (cell methods, step type) stays, and is held against the variable as always.
_IDENTITY = ("GRIB_shortName", "GRIB_cfVarName", "GRIB_cfName", "GRIB_name", "GRIB_paramId",
             "standard_name", "long_name")  # fmt: skip


def check_file_names(names: Mapping[str, str]) -> None:
    """Refuse names that stand for nothing, and two that stand for the same.

    Args:
        names: name in files -> CDS long name, or label of a channel (`vo850`: the level too).

    Raises:
        ValueError: naming the first.
    """
    taken: dict[str, str] = {}
    for name, target in names.items():
        if not is_channel(target) and target not in {v.name for v in known_variables()}:
            raise ValueError(
                f"names.{name} is {target!r}; expected the long name of a variable, as "
                "2m_temperature, or the label of a channel, as vo850"
            )
        found = _channel(target)
        key = f"{found.variable.name} {found.level}"
        if key in taken:
            raise ValueError(f"names has {taken[key]} and {name} for {target}; expected one name")
        taken[key] = name


def with_house_names(dataset: xr.Dataset, names: Mapping[str, str], *, origin: str) -> xr.Dataset:
    """Give fields of a netCDF file or a Zarr store the long names that settings say they have.

    A field that is given as a channel on a level gets the level as an axis; several of one
    variable become one, and where the levels of variables differ, what one lacks has no value.

    Args:
        dataset: as it is in the file.
        names: see `check_file_names`; those that the file lacks are passed over.
        origin: file, for messages.

    Raises:
        DataError: if the file itself says another level, or has the long name beside.
    """
    present = {name: _channel(target) for name, target in names.items() if name in dataset}
    if not present:
        return dataset
    given: dict[str, list[xr.DataArray]] = defaultdict(list)
    for name, found in present.items():
        field = dataset[name].copy(deep=False)
        field.attrs = {key: x for key, x in field.attrs.items() if key not in _IDENTITY}
        given[found.variable.name].append(_on_level(field, found, origin))
    rest = dataset.drop_vars(list(present))
    for name in given:
        if name in rest:
            raise DataError(f"{origin}: found {name} beside what names say it is called; expected "
                            "one of them")  # fmt: skip
    fields = [_joined(parts).rename(name) for name, parts in given.items()]
    merged = xr.merge([rest, *fields], join="outer", combine_attrs="override")
    for field in (*rest.data_vars.values(), *fields):
        axis = next((name for name in _LEVELS if name in field.dims), None)
        if axis is not None and field.sizes[axis] < merged.sizes[axis]:
            merged[field.name].attrs[HELD_LEVELS] = [round(float(p)) for p in field[axis].values]
    return merged.assign_attrs(dataset.attrs)


def _channel(target: str) -> Channel:
    """Read a channel's label, or a variable's long name, which says no level."""
    return channel(target) if is_channel(target) else Channel(variable(target), None)


def _on_level(field: xr.DataArray, found: Channel, origin: str) -> xr.DataArray:
    """Give a field the level that its name stands for."""
    if found.level is None:
        return field
    axis = next((name for name in _LEVELS if name in field.coords), None)
    if axis is None:
        return field.expand_dims(level=[found.level]).assign_coords(
            level=("level", [found.level], {"units": "hPa"})
        )
    held = field[axis].values.ravel().tolist()
    if [round(float(level), 2) for level in held] != [float(found.level)]:
        raise DataError(f"{origin}: found {field.name} on levels {held}; expected {found.level} "
                        f"hPa alone, as names say ({found.label})")  # fmt: skip
    return field if axis in field.dims else field.expand_dims(axis)


def _joined(parts: list[xr.DataArray]) -> xr.DataArray:
    """Put the levels of one variable together."""
    if len(parts) == 1:
        return parts[0]
    joined: xr.DataArray = xr.concat(
        [part.rename("field") for part in parts], dim="level", join="exact",
        combine_attrs="override",
    ).sortby("level")  # fmt: skip
    return joined
