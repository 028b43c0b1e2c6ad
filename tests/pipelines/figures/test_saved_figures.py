"""Figures as files: small, and of the colours that were drawn."""

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from pipelines.figures import forecast_maps, save
from pipelines.figures.style import DOTS_PER_INCH
from tests.pipelines.synthetic_run import make_example

_MOST_OF_A_MAP = 250_000  # bytes; with ten of them and thirty plots, a page has less than 4 MB


def test_a_map_of_the_demo_s_grid_is_small(tmp_path):
    example = make_example(channels=("t2m",), lead_times=(6, 12, 24), shape=(32, 64))
    path = save(forecast_maps(example, channel="t2m", model="met2net"), tmp_path / "map.png")
    assert path.stat().st_size < _MOST_OF_A_MAP
    with Image.open(path) as picture:
        assert picture.mode == "P" and round(picture.info["dpi"][0]) == DOTS_PER_INCH


def test_saved_colours_are_those_that_were_drawn(tmp_path):
    figure = Figure(figsize=(4, 3))
    left, right = figure.subplots(1, 2)
    field = np.random.default_rng(0).normal(size=(32, 64))
    left.pcolormesh(field, cmap="viridis")
    right.pcolormesh(field, cmap="RdBu_r")
    for number, color in enumerate(("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")):
        left.plot([0, 64], [number, 32 - number], color=color)  # thin: few pixels
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    expected = np.asarray(Image.open(drawn).convert("RGB")).astype(int)
    with Image.open(save(figure, tmp_path / "figure.png")) as picture:
        found = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(found - expected).max() <= 20  # of 255
    assert (found[0] == 255).all(), "the page is no longer white"
