import numpy as np
import xarray as xr

from pipelines.figures.analysis import attention_change_maps, cka_layer_maps, models_with
from pipelines.figures.style import save
from tests.pipelines.synthetic_run import make_analysis


def make_full_analysis(counts=(5, 0, 7, 4)) -> xr.Dataset:
    """What `pipelines.evaluation.analyze` writes beyond `make_analysis`."""
    analysis = make_analysis(("t2m", "uv10", "tcc"))
    pair = ("variable", "variable_2")
    change = np.random.default_rng(0).normal(size=(4, 3, 3)) * 0.05
    change[np.asarray(counts) == 0] = np.nan
    arrays = {
        "attention_std_over_samples_met2net": (pair, np.full((3, 3), 0.02)),
        "attention_season_change_met2net": (("season", *pair), change),
        "season_count": ("season", list(counts)),
    }
    for name in ("met2net", "tau"):
        layers = analysis[f"layer_{name}"].values
        far = np.abs(np.subtract.outer(np.arange(len(layers)), np.arange(len(layers))))
        arrays[f"cka_layers_{name}"] = ((f"layer_{name}", f"layer_{name}_2"), 0.8**far)
    return analysis.assign(arrays).assign_coords(season=["DJF", "MAM", "JJA", "SON"])


def test_every_model_has_a_map_of_its_layers(tmp_path):
    analysis = make_full_analysis()
    assert models_with(analysis, "cka_layers") == ["met2net", "tau"]
    assert models_with(analysis, "attention") == ["met2net"]
    figure = cka_layer_maps(analysis, order=["tau", "absent", "met2net"])
    assert [panel.get_title() for panel in figure.axes[:2]] == ["tau", "met2net"]
    names = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert names == analysis["layer_met2net"].values.tolist()
    save(figure, tmp_path / "layers.png")


def test_seasons_without_samples_are_not_drawn(tmp_path):
    analysis = make_full_analysis()
    figure = attention_change_maps(analysis, model="met2net")
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    assert titles == [
        "spread over samples (std)", "DJF (5 samples)", "JJA (7 samples)", "SON (4 samples)",
    ]  # fmt: skip
    low, high = figure.axes[1].images[0].get_clim()
    assert low == -high
    save(figure, tmp_path / "change.png")


def test_one_season_has_no_change_to_draw():
    figure = attention_change_maps(make_full_analysis((0, 9, 0, 0)), model="met2net")
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    assert titles == ["spread over samples (std)"]
