"""One pass over a split: scores, statistics of every init time, and kept forecasts."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from met2net.data.channel_roles import (
    forecast_channels,
    forecast_places,
    forecast_variables,
)
from met2net.data.normalization import Normalizer
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowDataset, WindowSpec
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.verification.benchmark_scores import BenchmarkSums
from met2net.verification.field_sums import FieldSums
from met2net.verification.forecast_store import ForecastStoreWriter
from met2net.verification.group_intervals import RegionalSums, grouped_rmse
from met2net.verification.score_intervals import score_intervals
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.scores import score_windows
from pipelines.atomic import replacing
from pipelines.evaluation.batch_rmse import rmse_of_batches
from pipelines.evaluation.scored_regions import scored_regions
from pipelines.evaluation.settings import ScoringSettings
from pipelines.evaluation.statistics_file import StatisticsWriter, read_init_times, read_statistics
from pipelines.evaluation.summary import BASELINES
from pipelines.image_sequences.sequences import IMAGE_SEQUENCES
from pipelines.progress_bar import progress_bar
from pipelines.run_folder import RunFolder

__all__ = ["score_pass"]

logger = logging.getLogger(__name__)


def score_pass(
    forecasts: Mapping[str, ForecastFunction],
    windows: WindowDataset,
    *,
    data: TrainingSet,
    window: WindowSpec,
    out: Path,
    batch_size: int,
    device: str,
    settings: ScoringSettings,
    provenance: Mapping[str, Any],
    rmse_batch_size: int | None = None,
) -> xr.Dataset:
    """Run every forecast once over all windows; score what is forecast.

    Args:
        forecasts: name -> forecast function, in normalized units.
        windows: every one is scored.
        data: the training set that they were cut from.
        window: the offsets that they were cut with.
        out: folder; `statistics.nc` is written into it, and `forecasts/<model>.zarr`.
        batch_size: windows at once.
        device: where the forecasts run.
        settings: regions, intervals, kept forecasts.
        provenance: attributes of what is written.
        rmse_batch_size: also give the mean of the RMSE of so many windows at a time.

    Returns:
        Scores with intervals and all that stands beside them: docs/verification.md.

    Raises:
        DataError: if a region has no point of the grid, or there is no land-sea mask.
    """
    regions = scored_regions(data.grid, settings)
    labels = forecast_channels(window, data.channels)
    places = forecast_places(window, data.channels)
    normalizer = data.normalizer.of_channels(labels)
    valid = None if data.valid is None else data.valid.of_channels(places)
    std, training_std = np.asarray(normalizer.std), data.std[places]
    attrs = {name: _text(value) for name, value in provenance.items()}
    extent = np.stack([data.minimum[places], data.maximum[places]])
    fields = FieldSums(
        grid=data.grid,
        value_range=_normalized(extent, normalizer),
        mean=_normalized(data.mean[places], normalizer),
        valid=valid,
    )
    by_region = RegionalSums()
    images = BenchmarkSums(normalizer) if data.attrs.get("form") == IMAGE_SEQUENCES else None
    path = RunFolder(out).statistics
    with ExitStack() as files:
        writer = files.enter_context(
            StatisticsWriter(
                files.enter_context(replacing(path)),
                models=list(forecasts),
                channels=labels,
                lead_hours=window.target_hours,
                scale=std / training_std,
                attrs=attrs,
            )
        )
        watchers: list[Callable[[ScoredBatch], None]] = [writer.add, fields.add, by_region.add]
        if images is not None:
            watchers.append(images.add)
        if settings.save_forecasts:
            stores = {
                name: files.enter_context(
                    ForecastStoreWriter(
                        out / "forecasts" / f"{name}.zarr",
                        lead_hours=window.target_hours,
                        grid=data.grid,
                        normalizer=normalizer,
                        units=[data.units[place] for place in places],
                        attrs=attrs | {"model": name},
                        valid=valid,
                    )
                )
                for name in forecasts
            }
            watchers.append(
                lambda batch: stores[batch.model].add(batch.init_time, batch.predictions)
            )
        advance = files.enter_context(
            progress_bar("scoring", len(forecasts) * len(windows), unit="forecasts", logger=logger)
        )
        watchers.append(lambda batch: advance(len(batch.init_time)))
        scores = score_windows(
            forecasts,
            windows,
            window=window,
            climatology=data.climatology,
            grid=data.grid,
            normalizer=data.normalizer,
            training_std=data.std,
            units=data.units,
            batch_size=batch_size,
            device=device,
            regions=regions,
            watchers=watchers,
            valid=data.valid,
        )
    looks = fields.to_dataset(std=std, channels=labels, lead_time=window.target_hours)
    note = {"long_name": "range of images: smallest and largest value in the training split"}
    looks["image_range"] = (("image_range_end", "channel"), extent, note)
    looks["image_range_end"] = ["smallest", "largest"]
    intervals = score_intervals(
        partial(read_statistics, path),
        scores=scores,
        init_time=read_init_times(path),
        std=std,
        training_std=training_std,
        bootstrap=settings.bootstrap,
        yardsticks=BASELINES,
    )
    regional = grouped_rmse(
        by_region.by_model,
        name="region",
        labels=[str(name) for name in scores["region"].values],
        channels=labels,
        std=std,
        bootstrap=settings.bootstrap,
    )
    parts = [scores, looks, intervals, regional]
    if images is not None:
        parts.append(images.to_dataset(lead_time=window.target_hours))
    if rmse_batch_size is not None:
        batches = rmse_of_batches(
            partial(read_statistics, path),
            models=list(forecasts),
            num_leads=window.num_targets,
            variables=forecast_variables(window, data.variables),
            std=std,
            batch_size=rmse_batch_size,
        )
        parts.append(batches)
    return xr.merge(parts).assign_attrs({**provenance, **intervals.attrs})


def _normalized(values: np.ndarray, normalizer: Normalizer) -> np.ndarray:
    """Normalize numbers a channel (the last axis) as the fields are."""
    return np.asarray((values - np.asarray(normalizer.mean)) / np.asarray(normalizer.std))


def _text(value: Any) -> str:
    """Write an attribute as text."""
    return value if isinstance(value, str) else json.dumps(value)
