# %% [markdown]
# # From a netCDF file to a forecast map
#
# A file with weather goes in; a trained and scored forecaster and a map of its forecast come out.
# It takes half a minute on one core, and needs no account, no server and no GPU.
#
# Everything below is done with `met2net` alone, the library: no pipelines, no flows. To follow,
# run the whole script, or open it in an editor that knows cells (`# %%`):
#
# ```sh
# . .venv/bin/activate
# python docs/tutorials/forecast_map.py
# ```
#
# ## A file with weather
#
# Any netCDF file will do whose variables are on latitudes, longitudes and times; [the
# library](../library.md) says which names are understood. If you have one, leave this step out
# and put its name into `xr.load_dataset` below.
#
# So that nothing has to be downloaded, this page makes a file: **made-up weather**, waves of warm
# and cold air that move east, with winds along them, over a box in the North Atlantic, every six
# hours for 80 days. It is far simpler than real weather: scores below say that the tools work,
# not how well Met2Net forecasts.

# %%
import numpy as np
import xarray as xr

rng = np.random.default_rng(0)
hours = 6.0 * np.arange(320)
start = np.datetime64("2020-01-01", "ns")
time = start + hours.astype("timedelta64[h]")
latitude = np.arange(60.0, 36.0, -2.0)
longitude = np.arange(312.0, 344.0, 2.0)

hours, north, east = np.meshgrid(hours, latitude, longitude, indexing="ij")
temperature, southerly = np.zeros_like(hours), np.zeros_like(hours)
for length, speed in [(40, 0.3), (30, 0.4), (24, 0.3)]:  # degrees, degrees an hour
    drift = rng.normal(0, 0.15, len(time)).cumsum()  # no wave keeps its phase
    place = east + 0.4 * north - speed * hours
    phase = 2 * np.pi * place / length + drift[:, None, None]
    envelope = np.exp(-(((north - 48.0) / 9.0) ** 2))
    temperature += 3.0 * envelope * np.sin(phase)
    southerly += 5.0 * envelope * np.cos(phase)

temperature += 288.0 - 0.6 * (north - 36.0)  # warm in the south
temperature += np.sin(2 * np.pi * (hours + east / 15 - 9) / 24)  # and at 15 h
temperature += rng.normal(0, 0.3, temperature.shape)
southerly += rng.normal(0, 0.5, southerly.shape)

axes = ("time", "latitude", "longitude")
xr.Dataset(
    {
        "2m_temperature": (axes, temperature, {"units": "K"}),
        "10m_v_component_of_wind": (axes, southerly, {"units": "m s-1"}),
    },
    coords={"time": time, "latitude": latitude, "longitude": longitude},
).to_netcdf("weather.nc")

# %% [markdown]
# ## A training set
#
# Which fields, and which days are for what: the network learns from `train`, the best of its
# epochs is chosen on `validation`, and what it is worth is said by `test`, which nothing else has
# seen. Means and deviations are those of the training days alone.

# %%
from met2net import TrainingSet

weather = xr.load_dataset("weather.nc")
data = TrainingSet.from_dataset(
    weather,
    variables={"t2m": ["t2m"], "v10": ["v10"]},
    splits={
        "train": ("2020-01-01", "2020-02-29"),
        "validation": ("2020-03-01", "2020-03-09"),
        "test": ("2020-03-10", "2020-03-20"),
    },
)
print("latitudes, longitudes:", data.grid.shape)
for label, mean, std in zip(data.channels, data.mean, data.std, strict=True):
    print(f"{label}: mean {mean:.2f}, standard deviation {std:.2f}")

# %% [markdown]
# ## Training
#
# Three frames in, 12 hours up to now; four frames out, 6 to 24 hours ahead. The network is a small
# Met2Net, an encoder and a decoder for each variable and a translator between them, trained in
# two stages at once ([the models](../model.md)). `ReferenceFrame` lets it correct the last
# observed frame instead of making a forecast from nothing.

# %%
from met2net import (
    OptimizationSettings,
    ReferenceFrame,
    WindowSpec,
    met2net_weather_l,
    settings_of,
    train,
)

window = WindowSpec(input_hours=(-12, -6, 0), target_hours=(6, 12, 18, 24))
small = met2net_weather_l(
    spatial_dim=8,
    latent_dim=32,
    num_blocks=2,
    _partial_=True,  # `ReferenceFrame` completes it
)
forecaster = train(
    data,
    window=window,
    network=settings_of(ReferenceFrame, forecaster=small),
    optimization=OptimizationSettings(
        learning_rate=5e-3,
        schedule="one_cycle",
        max_epochs=8,
        batch_size=16,
    ),
)
forecaster.save("mine.safetensors")

# %% [markdown]
# ## Scores
#
# Beside every forecaster stand forecasts that need no training: `persistence` (nothing changes),
# `climatology` (the mean of the training days at that hour), and persistence of the deviation
# from it. A network is worth its training where it beats all of them. The root mean square error
# divided by the standard deviation, over all fields and lead times (0 is perfect, about 1 is
# climatology):

# %%
from met2net import score_forecasts

scores = score_forecasts({"mine": forecaster}, data)
print(scores["normalized_rmse"].to_series().round(3).to_string())

# %% [markdown]
# The error of 2 m temperature by lead time; [what the scores mean](../verification.md) has every
# formula.

# %%
import matplotlib.pyplot as plt

rmse = scores["score"].sel(metric="rmse", weighting="area", channel="t2m")
figure, panel = plt.subplots(figsize=(6, 3.2), layout="constrained")
for model in rmse["model"].values:
    panel.plot(rmse["lead_time"], rmse.sel(model=model), "o-", label=model)
panel.set_xticks(window.target_hours)
panel.set(xlabel="hours ahead", ylabel="RMSE of 2 m temperature [K]", ylim=(0, None))
panel.legend(fontsize=8)
figure.savefig("error_by_lead_time.png", dpi=150)

# %% [markdown]
# ![Error against lead time, a line a model](error_by_lead_time.png)
#
# ## A forecast
#
# The saved file is all that is needed elsewhere: it holds weights, settings, units and grid.
# Physical units go in and come out, with names and times, ready to be written as netCDF.

# %%
from met2net import Forecaster

init_time = np.datetime64("2020-03-15T12")
forecast = Forecaster.load("mine.safetensors").forecast(weather, init_time)
forecast.to_netcdf("forecast.nc")
print(dict(forecast.sizes))

# %% [markdown]
# ## The map
#
# A day ahead: the forecast, what came, and the difference of the two. The waves move east, so the
# western edge is hard: the air that arrives there was outside the box at the last observed hour,
# and no input shows it. Real regional forecasts have the same trouble.

# %%
day = np.timedelta64(24, "h")
ahead = forecast["2m_temperature"].isel(init_time=0).sel(lead_time=day)
truth = weather["2m_temperature"].sel(time=ahead["valid_time"].values)
error = ahead - truth.values

figure, panels = plt.subplots(1, 3, figsize=(10.5, 2.9), sharey=True, layout="constrained")
limits = {"vmin": float(truth.min()), "vmax": float(truth.max())}
for panel, field, title, style in [
    (panels[0], ahead, "forecast, 24 h ahead", {"cmap": "viridis", **limits}),
    (panels[1], truth, "truth", {"cmap": "viridis", **limits}),
    (panels[2], error, "forecast - truth", {"cmap": "RdBu_r", "vmin": -6, "vmax": 6}),
]:
    mesh = panel.pcolormesh(longitude - 360, latitude, field, **style)
    panel.set(title=title, xlabel="longitude [°E]")
    if panel is not panels[0]:
        figure.colorbar(mesh, ax=panel, label="K")
panels[0].set_ylabel("latitude [°N]")
figure.suptitle(f"2 m temperature at {str(ahead['valid_time'].values)[:13]} UTC")
figure.savefig("forecast_map.png", dpi=150)

# %% [markdown]
# ![Three maps of 2 m temperature: the forecast, the truth, and their difference](forecast_map.png)
#
# ## From here
#
# - A network, a block, a metric of your own: [the library](../library.md).
# - Real ERA5: [fetch it](../acquisition.md), then `prefect run flows/full_experiment.py`
#   does all of this with an archive, reports and a registry ([start here](../index.md)).
# - How good is Met2Net? [Results](../results.md), with baselines at the same budget.
