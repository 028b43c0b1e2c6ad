"""Small seeded run folders with the layout, names and units of real ones."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

BASELINES = ("persistence", "anomaly_persistence", "climatology")
UNITS = {
    "t2m": "K", "u10": "m s-1", "v10": "m s-1", "tcc": "1", "msl": "Pa", "r1000": "%",
    "d2m": "K", "tp": "m",
}  # fmt: skip
_MEAN = {"t2m": 285.0, "u10": 0.5, "v10": -0.3, "tcc": 0.6, "msl": 101_200.0, "r1000": 70.0,
         "d2m": 279.0, "tp": 1e-4}  # fmt: skip
_STD = {"t2m": 14.0, "u10": 5.0, "v10": 4.5, "tcc": 0.35, "msl": 1300.0, "r1000": 20.0,
        "d2m": 12.0, "tp": 4e-4}  # fmt: skip


def axes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Global axes from 32 x 64 on, else a quarter-degree box near 19 N 73 E."""
    if height >= 32:
        step = 180.0 / height
        return 90 - step / 2 - step * np.arange(height), 360.0 / width * np.arange(width)
    return 20.0 - 0.25 * np.arange(height), 71.0 + 0.25 * np.arange(width)


def make_scores(
    networks: Sequence[str] = ("met2net", "tau"),
    channels: Sequence[str] = ("t2m", "u10", "v10"),
    lead_times: Sequence[int] = (1, 2, 3, 6),
) -> xr.Dataset:
    """Scores in which the n-th model has n + 1 tenths of the training std as RMSE at lead 1."""
    models = [*networks, *BASELINES]
    std = np.array([_STD[c] for c in channels])
    growth = np.sqrt(np.asarray(lead_times, float))
    rmse = (0.1 * np.arange(1, len(models) + 1))[:, None, None] * std[:, None] * growth
    rmse = rmse[:, None] * np.array([1.0, 1.1])[:, None, None]  # model weighting channel lead
    acc = 1 - (rmse / std[:, None] / 5) ** 2
    acc[models.index("climatology")] = np.nan
    per_metric = {
        "mse": rmse**2, "mae": 0.8 * rmse, "rmse": rmse, "bias": 0.1 * rmse, "acc": acc,
        "r2": acc,
    }  # fmt: skip
    score = np.stack(list(per_metric.values()), axis=1)
    pooled = score.mean(axis=-1)
    pooled[:, 2] = np.sqrt(pooled[:, 0])
    return xr.Dataset(
        {
            "score": (("model", "metric", "weighting", "channel", "lead_time"), score),
            "pooled": (("model", "metric", "weighting", "channel"), pooled),
            "normalized_rmse": ("model", (pooled[:, 2, 1] / std).mean(axis=-1)),
            "count": ("lead_time", np.full(len(lead_times), 240)),
            "units": ("channel", [UNITS[c] for c in channels]),
        },
        coords={
            "model": models,
            "metric": list(per_metric),
            "weighting": ["area", "plain"],
            "channel": list(channels),
            "lead_time": ("lead_time", list(lead_times), {"units": "hours"}),
        },
        attrs={
            "split": "test",
            "num_windows": 240,
            "training_set": "0123456789abcdef",
            "archive_snapshot": "SNAPSHOT1",
            "climatology": "hour of day",
        },
    )


def make_full_scores(
    networks: Sequence[str] = ("met2net", "tau"),
    channels: Sequence[str] = ("t2m", "u10", "v10"),
    lead_times: Sequence[int] = (1, 2, 3, 6),
) -> xr.Dataset:
    """Scores with all that `pipelines.evaluation.evaluate` puts beside them, of plausible size."""
    scores = make_scores(networks, channels, lead_times)
    correlation = (
        scores["score"].sel(metric=["acc", "acc"]).assign_coords(metric=["acc_centred", "pcc"])
    )
    more = xr.Dataset(
        {
            "score": correlation,
            "pooled": scores["pooled"]
            .sel(metric=["acc", "acc"])
            .assign_coords(metric=["acc_centred", "pcc"]),
        }
    )
    models = scores["model"].values
    scores = xr.concat([scores[["score", "pooled"]], more], dim="metric").merge(
        scores.drop_vars(["score", "pooled"]).drop_dims("metric")
    )
    scores.attrs["bootstrap"] = "blocks of 10 days, 1000 resamples, seed 0"
    for name in ("score", "pooled", "normalized_rmse"):
        scores[f"{name}_low"], scores[f"{name}_high"] = 0.95 * scores[name], 1.05 * scores[name]
    score = scores["score"]
    for name, axis, labels in (
        ("regional", "region", ["all", "bay"]),
        ("seasonal", "season", ["DJF", "MAM", "JJA", "SON"]),
        ("hourly", "init_hour", list(range(24))),
    ):
        factor = xr.DataArray(np.linspace(0.9, 1.1, len(labels)), coords={axis: labels}, dims=axis)
        if axis != "init_hour":
            factor = factor.where(factor[axis] != "SON")  # a season without a forecast
        scores[name] = (score * factor).transpose("model", axis, ...)
        rmse = np.sqrt(scores[name].sel(metric="mse", drop=True).mean("lead_time", skipna=False))
        scores[f"{axis}_rmse"] = rmse
        scores[f"{axis}_rmse_low"], scores[f"{axis}_rmse_high"] = 0.9 * rmse, 1.1 * rmse
    references = ["persistence", "climatology"]
    mse = score.sel(metric="mse", drop=True)
    scores["mse_skill"] = 1 - mse / mse.sel(model=references).rename(model="reference")
    scores["acc_per_time"] = xr.concat(
        [score.sel(metric="acc", drop=True)] * 2, dim="acc_form"
    ).assign_coords(acc_form=["uncentred", "centred"])
    winds = [label for label in ("u10", "v10") if label in channels]
    if len(winds) == 2:
        scores["vector_wind_rmse"] = np.sqrt(mse.sel(channel=winds).sum("channel")).expand_dims(
            wind=["wind10"]
        )
    quality = xr.DataArray([0.9, 30.0], coords={"image_metric": ["ssim", "psnr"]},
                           dims="image_metric")  # fmt: skip
    scores["image_quality"] = quality * (mse / mse).isel(weighting=0, drop=True)
    waves = xr.DataArray(np.arange(6), coords={"wavenumber": np.arange(6)}, dims="wavenumber")
    scores["power"] = mse * np.exp(-waves)
    scores["observed_power"] = mse.isel(model=0, weighting=0, drop=True) * np.exp(-0.9 * waves)
    scores["power"] = scores["power"].isel(weighting=0, drop=True)
    normalized = scores["normalized_rmse"]
    other = normalized.rename(model="other_model")
    margin = (1 - normalized / other).where(normalized["model"] != other["other_model"])
    scores["margin"] = margin
    scores["margin_low"], scores["margin_high"] = margin - 0.02, margin + 0.02
    statistic = (100 * (normalized - other)).where(np.isfinite(margin))
    scores["pooled_dm_statistic"] = statistic
    scores["pooled_dm_p_value"] = np.exp(-np.abs(statistic))
    leads = xr.ones_like(score["lead_time"], dtype=float)
    scores["dm_statistic"] = statistic * leads
    scores["dm_p_value"] = np.exp(-np.abs(statistic)) * leads
    return scores.assign_coords(model=models)


def make_example(
    networks: Sequence[str] = ("met2net", "tau"),
    channels: Sequence[str] = ("t2m", "u10", "v10"),
    lead_times: Sequence[int] = (1, 2, 3, 6),
    shape: tuple[int, int] = (8, 10),
    num_inputs: int = 2,
) -> xr.Dataset:
    """One worked window: smooth moving waves, models with errors of different size."""
    rng = np.random.default_rng(0)
    latitude, longitude = axes(*shape)
    frames = np.arange(num_inputs + len(lead_times))[:, None, None, None]
    phase = np.arange(len(channels))[:, None, None]
    y = np.linspace(0, np.pi, shape[0])[:, None]
    x = np.linspace(0, 4 * np.pi, shape[1])
    normalized = np.sin(y) * np.cos(x + 0.3 * frames + phase)
    std = np.array([_STD[c] for c in channels])[:, None, None]
    mean = np.array([_MEAN[c] for c in channels])[:, None, None]
    fields = (mean + std * normalized).astype(np.float32)
    inputs, targets = fields[:num_inputs], fields[num_inputs:]
    models = [*networks, *BASELINES]
    noise = rng.normal(size=(len(models), *targets.shape)) * std * 0.05
    predictions = targets + noise * np.arange(1, len(models) + 1)[:, None, None, None, None]
    predictions[models.index("persistence")] = inputs[-1]
    dims = ("channel", "latitude", "longitude")
    return xr.Dataset(
        {
            "inputs": (
                ("example", "input_time_offset", "input_channel", *dims[1:]),
                inputs[None],
            ),
            "last_input": (("example", *dims), inputs[None, -1]),
            "targets": (("example", "lead_time", *dims), targets[None]),
            "predictions": (
                ("model", "example", "lead_time", *dims),
                predictions[:, None].astype(np.float32),
            ),
            "units": ("channel", [UNITS[c] for c in channels]),
        },
        coords={
            "model": models,
            "channel": list(channels),
            "input_channel": list(channels),
            "latitude": latitude,
            "longitude": longitude,
            "lead_time": ("lead_time", list(lead_times), {"units": "hours"}),
            "input_time_offset": list(range(1 - num_inputs, 1)),
            "init_time": ("example", np.array(["2020-07-01T06"], "datetime64[ns]")),
        },
    )


def make_analysis(
    variables: Sequence[str] = ("t2m", "uv10"), models: Sequence[str] = ("met2net", "tau")
) -> xr.Dataset:
    """CKA and attention as `analyze` writes them; attention for the first model."""
    rng = np.random.default_rng(1)
    size = len(variables)
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    coords: dict[str, object] = {"variable": list(variables), "variable_2": list(variables)}
    for number, name in enumerate(models):
        layers = [f"{part}.{i}" for part, n in (("encoder", 2), ("translator", 4 + number),
                  ("decoder", 2)) for i in range(n)]  # fmt: skip
        level = np.linspace(0.3, 0.9 - 0.4 * number, len(layers))[:, None, None]
        cka = np.clip(level + 0.05 * rng.normal(size=(len(layers), size, size)), 0, 1)
        cka = (cka + cka.swapaxes(1, 2)) / 2
        cka[:, range(size), range(size)] = 1
        pairs = cka[:, ~np.eye(size, dtype=bool)]
        mean = pairs.mean(axis=1) if size > 1 else np.full(len(layers), np.nan)
        data[f"cka_{name}"] = ((f"layer_{name}", "variable", "variable_2"), cka)
        data[f"cka_mean_{name}"] = ((f"layer_{name}",), mean)
        coords[f"layer_{name}"] = layers
    attention = rng.dirichlet(np.ones(size), size=(4, size))
    data[f"attention_{models[0]}"] = (("block", "variable", "variable_2"), attention)
    data[f"attention_mean_{models[0]}"] = (("variable", "variable_2"), attention.mean(axis=0))
    return xr.Dataset(data, coords=coords)


def write_curves(path: Path, *, epochs: int = 5) -> Path:
    """Write a CSV as Lightning's logger does: training and validation on separate rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "step", "train_latent_loss", "train_loss", "val_mse", "val_rmse"])
        for epoch in range(epochs):
            step, loss = 10 * (epoch + 1) - 1, 0.5 / (epoch + 1)
            writer.writerow([epoch, step, "", "", loss**2, loss])
            writer.writerow([epoch, step, 0.5 * loss, loss, "", ""])
    return path


def make_run_folder(
    folder: Path,
    *,
    networks: Sequence[str] = ("met2net", "tau"),
    channels: Sequence[str] = ("t2m", "u10", "v10"),
    lead_times: Sequence[int] = (1, 2, 3, 6),
    shape: tuple[int, int] = (8, 10),
    variables: Sequence[str] = ("t2m", "uv10"),
) -> Path:
    """Write all files of a finished run except models, figures and report."""
    folder.mkdir(parents=True, exist_ok=True)
    make_scores(networks, channels, lead_times).to_netcdf(folder / "scores.nc")
    make_example(networks, channels, lead_times, shape).to_netcdf(folder / "example.nc")
    make_analysis(variables, networks).to_netcdf(folder / "analysis.nc")
    for name in networks:
        write_curves(folder / "models" / name / "metrics.csv")
    return folder
