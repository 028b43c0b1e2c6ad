"""The figures of a study: drawn from the files of its finished parts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from pipelines.errors import DataError
from pipelines.figures import (
    attention_heat_maps,
    cka_curves,
    lead_time_curves,
    save,
    training_curves,
    value_distributions,
)
from pipelines.figures.comparison_maps import comparison_maps
from pipelines.figures.cyclones import track_errors_by_lead, track_map, tracks_of
from pipelines.figures.style import color_of, panels
from pipelines.maps.settings import MapSettings
from pipelines.paper.cells import Cell
from pipelines.run_folder import RunFolder
from pipelines.studies.parts import ScoredPart
from pipelines.training.curves import read_curves

__all__ = ["FigureChoice", "draw_study"]

_Drawn = Iterator[tuple[str, Figure]]


@dataclass(frozen=True)
class FigureChoice:
    """What of the data is drawn.

    Attributes:
        variables: whose channels; empty: all.
        example: which worked window, from 0.
        lead_hours: of tracks.
        maps: lead times of maps, and coastlines.
    """

    variables: tuple[str, ...] = ()
    example: int = 0
    lead_hours: tuple[int, ...] = (1, 3)
    maps: MapSettings = field(default_factory=MapSettings)


def draw_study(
    parts: Sequence[ScoredPart],
    cells: Sequence[Cell],
    drawings: Sequence[str],
    *,
    choice: FigureChoice,
    folder: Path,
) -> list[Path]:
    """Draw figures of every part under the first protocol with its first seed.

    Args:
        parts: finished ones.
        cells: of the table, for bars.
        drawings: names, see `pipelines.studies.drawings`.
        choice: what of the data.
        folder: PNG files are written into it; with several parts their names start with the
            part's.

    Raises:
        DataError: if a part lacks the files of a figure.
    """
    shown: dict[str, ScoredPart] = {}
    for part in parts:
        shown.setdefault(part.part, part)
    return [
        save(figure, folder / f"{name if len(shown) == 1 else f'{part.part}_{name}'}.png")
        for part in shown.values()
        for drawing in drawings
        for name, figure in _DRAW[drawing](part, cells, choice)
    ]


def _maps(part: ScoredPart, _: Sequence[Cell], choice: FigureChoice) -> _Drawn:
    """Truth, forecasts and absolute errors of every channel."""
    with xr.open_dataset(RunFolder(part.folder).examples, decode_timedelta=False) as example:
        for channel in _channels(part, choice):
            figure = comparison_maps(
                example, channel=channel, models=list(part.checkpoints), number=choice.example,
                settings=choice.maps,
            )  # fmt: skip
            yield f"map_{channel}", figure


def _curves(metric: str) -> Callable[[ScoredPart, Sequence[Cell], FigureChoice], _Drawn]:
    """Draw a metric by lead time."""

    def draw(part: ScoredPart, _: Sequence[Cell], choice: FigureChoice) -> _Drawn:
        names, channels = list(part.checkpoints), _channels(part, choice)
        scores = part.scores().sel(model=names, channel=channels)
        yield f"lead_time_{metric}", lead_time_curves(scores, metric=metric, weighting="plain")

    return draw


def _cka(part: ScoredPart, _: Sequence[Cell], choice: FigureChoice) -> _Drawn:
    """CKA between variables along the layers."""
    pair = choice.variables if len(choice.variables) == 2 else None
    first_two = None if pair is None else (pair[0], pair[1])
    yield "cka", cka_curves(_analysis(part), pair=first_two, order=list(part.checkpoints))


def _attention(part: ScoredPart, _: Sequence[Cell], choice: FigureChoice) -> _Drawn:
    """Attention between variables of the models that have it."""
    analysis = _analysis(part)
    for model in part.checkpoints:
        if f"attention_mean_{model}" in analysis:
            yield f"attention_{model}", attention_heat_maps(analysis, model=model)


def _distributions(part: ScoredPart, _: Sequence[Cell], choice: FigureChoice) -> _Drawn:
    """Distribution of values and of their changes."""
    analysis = _analysis(part)
    seen = [label for label in _channels(part, choice) if label in analysis["channel"].values]
    yield "distributions", value_distributions(analysis.sel(channel=seen))


def _tracks(part: ScoredPart, _: Sequence[Cell], choice: FigureChoice) -> _Drawn:
    """Tracks of every storm at some lead times, and their errors by lead time."""
    for path in RunFolder(part.folder).tracks:
        with xr.open_dataset(path, decode_timedelta=False) as tracks:
            storm = str(tracks.attrs["storm"])
            for lead in choice.lead_hours:
                if lead in tracks["lead_time"].values:
                    figure = track_map(
                        tracks_of(tracks, lead_time=lead), title=f"{storm}, +{lead} h",
                        order=list(part.checkpoints), coast=choice.maps.coast,
                    )  # fmt: skip
                    yield f"{path.stem}_{lead}h", figure
            yield f"{path.stem}_errors", track_errors_by_lead(tracks, order=list(part.checkpoints))


def _bars(_: ScoredPart, cells: Sequence[Cell], choice: FigureChoice) -> _Drawn:
    """Bars of the first metric of every variable, a bar a row of the table."""
    first = next((cell.metric for cell in cells if cell.variable is not None), None)
    by_variable: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.variable is not None and cell.metric == first and cell.clean is not None:
            by_variable.setdefault(cell.variable, []).append(cell)
    if first is None or not by_variable:
        raise DataError("found no score to draw bars of; expected a study with metrics")
    figure, axes = panels(len(by_variable), columns=2, width=4.2, height=2.6)
    for panel, (variable, some) in zip(axes, by_variable.items(), strict=True):
        names = [cell.row for cell in some]
        values = np.array([cell.clean for cell in some], dtype=float)
        bars = panel.barh(names[::-1], values[::-1],
                          color=[color_of(name, names) for name in names[::-1]])  # fmt: skip
        panel.bar_label(bars, fmt="%.4g", padding=3, fontsize=8)
        panel.margins(x=0.18)
        unit = some[0].unit
        panel.set_xlabel(first.upper() + (f" [{unit}]" if unit not in (None, "1") else ""),
                         fontsize=9)  # fmt: skip
        panel.set_title(variable, fontsize=10, loc="left", fontweight="bold")
    yield "bars", figure


def _learning_curves(part: ScoredPart, _: Sequence[Cell], __: FigureChoice) -> _Drawn:
    """Validation RMSE and losses of every row by epoch."""
    curves = {
        row: read_curves(part.checkpoints[model].parent / "metrics.csv")
        for row, model in part.rows.items()
    }
    yield "learning_curves", training_curves(curves)


def _channels(part: ScoredPart, choice: FigureChoice) -> list[str]:
    """Give the channels of the chosen variables; one that is only seen is none of a part's."""
    names = [name for name in choice.variables or part.variables if name in part.variables]
    return [label for name in names for label in part.variables[name]]


def _analysis(part: ScoredPart) -> xr.Dataset:
    """Read a part's analysis into memory."""
    path = RunFolder(part.folder).analysis
    if not path.is_file():
        raise DataError(f"found no {path}; expected a study with analyze: true")
    with xr.open_dataset(path) as analysis:
        return analysis.load()


_DRAW: Mapping[str, Callable[[ScoredPart, Sequence[Cell], FigureChoice], _Drawn]] = {
    "maps": _maps,
    "lead_time_mse": _curves("mse"),
    "lead_time_pcc": _curves("pcc"),
    "cka": _cka,
    "attention": _attention,
    "distributions": _distributions,
    "tracks": _tracks,
    "bars": _bars,
    "learning_curves": _learning_curves,
}
"""Name of a drawing -> function of a part, the table's cells and the choice: figures by name."""
