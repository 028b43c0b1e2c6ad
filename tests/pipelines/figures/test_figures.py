import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from pipelines.figures import (
    attention_heat_maps,
    cka_curves,
    cka_heat_maps,
    draw_run,
    forecast_maps,
    group_dots,
    hourly_curves,
    lead_time_curves,
    resources_and_skill,
    save,
    scoreboard,
    skill_curves,
    spectra,
    training_curves,
    value_distributions,
)
from pipelines.figures.line_labels import spread
from pipelines.figures.style import color_of, line_of
from pipelines.maps.settings import MapSettings
from pipelines.report.resources import resources_table
from pipelines.training.curves import read_curves
from tests.pipelines.synthetic_run import (
    BASELINES,
    make_analysis,
    make_example,
    make_full_scores,
    make_run_folder,
    make_scores,
)


def overlapping_texts(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes overlap by more than a pixel on the drawn page."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    hidden = {
        tick.label1
        for panel in figure.axes
        for axis in (panel.xaxis, panel.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    found = set(figure.findobj(Text)) - hidden
    texts = [t for t in found if t.get_text().strip() and t.get_visible()]
    # Of the text alone: an annotation's own extent has its line to the point in it.
    boxes = [(t.get_text(), Text.get_window_extent(t, renderer).padded(-1)) for t in texts]
    boxes = [(text, box) for text, box in boxes if box.width > 0 and box.height > 0]
    return [
        (a, b)
        for i, (a, box) in enumerate(boxes)
        for b, other in boxes[i + 1 :]
        if box.overlaps(other)
    ]


LONG_NAMES = ("met2net_two_stage_with_reference_frame", "tau_all_channels_at_once")


@pytest.mark.parametrize("count", [1, 2, 8])
def test_lead_time_curves_label_every_model_in_every_panel_without_overlap(count):
    channels = ["t2m", "u10", "v10", "tcc", "msl", "r1000", "d2m", "tp"][:count]
    figure = lead_time_curves(make_scores(LONG_NAMES, channels), metric="rmse")
    assert len(figure.axes) == count
    for panel, channel in zip(figure.axes, channels, strict=True):
        assert {text.get_text() for text in panel.texts} == {*LONG_NAMES, *BASELINES}
        assert panel.get_title(loc="left") == channel
    assert figure.axes[0].get_ylabel() == "RMSE [K]"
    assert overlapping_texts(figure) == []


THIRTEEN = (
    "met2net", "tau", "simvp", "convnext", "hornet", "mau", "moganet", "poolformer", "predrnn",
    "predrnnpp", "convlstm", "wast", "tau_single",
)  # fmt: skip


@pytest.fixture(scope="module")
def many():
    return make_full_scores(THIRTEEN, ("t2m", "u10", "tcc"))


@pytest.mark.parametrize(
    "draw",
    [
        lambda scores: lead_time_curves(scores, metric="rmse"),
        lambda scores: lead_time_curves(scores, metric="pcc"),
        lambda scores: skill_curves(scores, reference="persistence"),
        hourly_curves,
        lambda scores: group_dots(scores, group="season"),
        lambda scores: group_dots(scores, group="region"),
        spectra,
        scoreboard,
    ],
)
def test_thirteen_networks_have_room_and_names_of_their_own(many, draw):
    figure = draw(many)
    assert overlapping_texts(figure) == []
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert set(THIRTEEN) <= texts


def test_intervals_are_shades_around_the_lines():
    scores = make_full_scores(["met2net"], ["t2m"])
    panel = lead_time_curves(scores, metric="rmse").axes[0]
    line = panel.lines[0].get_ydata()
    shade = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert shade.min() == pytest.approx(0.95 * line.min())
    assert shade.max() == pytest.approx(1.05 * line.max())
    assert not lead_time_curves(make_scores(), metric="rmse").axes[0].collections


def test_groups_without_a_forecast_are_not_drawn():
    figure = group_dots(make_full_scores(), group="season")
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["DJF", "MAM", "JJA"]


def test_a_model_much_worse_than_the_reference_does_not_flatten_the_others():
    scores = make_full_scores()
    scores["mse_skill"].loc[{"model": "tau", "reference": "climatology"}] = -50.0
    figure = skill_curves(scores, reference="climatology")
    assert figure.axes[0].get_ylim() == (-1.0, 1.0)
    assert overlapping_texts(figure) == []
    assert "climatology" not in {text.get_text() for text in figure.axes[0].texts}


def test_spectra_are_those_of_the_last_lead_time_without_the_mean():
    scores = make_full_scores()
    panel = spectra(scores).axes[1]
    lines = {line.get_label(): line for line in panel.lines}
    assert list(lines["tau"].get_xdata()) == [1, 2, 3, 4, 5]
    expected = scores["power"].sel(model="tau", channel="u10", lead_time=6).values[1:]
    np.testing.assert_array_equal(lines["tau"].get_ydata(), expected)
    assert "observed" in lines


def test_distributions_and_resources_are_drawn_from_the_analysis():
    channels = ["t2m", "tcc"]
    density = np.array([[0.1, 0.8, 0.1], [0.0, 1.0, 0.0]])
    analysis = xr.Dataset(
        {
            "value_density": (("channel", "value_bin"), density),
            "change_density": (("channel", "change_bin"), density),
            "parameters": ("network", [1_000_000, 4_000_000]),
            "multiply_adds": ("network", [10**9, 10**8]),
        },
        coords={"channel": channels, "value_bin": [-1, 0, 1], "change_bin": [-1, 0, 1],
                "network": ["met2net", "tau"]},
        attrs={"change_hours": 6},
    )  # fmt: skip
    figure = value_distributions(analysis)
    assert [line.get_label() for line in figure.axes[0].lines] == channels
    assert "change in 6 h" in figure.axes[1].get_xlabel()
    assert np.isnan(figure.axes[0].lines[1].get_ydata()[0])  # no count, no point
    scores = make_scores()
    figure = resources_and_skill(analysis, scores)
    points = {line.get_label(): line.get_xydata()[0] for line in figure.axes[1].lines}
    error = scores["normalized_rmse"].sel(model="tau").item()
    assert points["tau"].tolist() == [1e8, error]
    assert len(figure.axes) == 2 and overlapping_texts(figure) == []
    costs = xr.Dataset(
        {
            "step_time": ("network", [0.5]), "batch_size": ("network", [10]),
            "num_threads": ("network", [2]),
        },
        coords={"network": ["tau"]}, attrs={"device": "cpu"},
    )  # fmt: skip
    figure = resources_and_skill(analysis, scores, costs=costs)
    (line,) = figure.axes[2].lines  # of the other one no step was measured
    assert line.get_xydata()[0].tolist() == [50.0, error]
    assert overlapping_texts(figure) == []
    table = resources_table(analysis, scores, costs)
    assert table.header[4:] == ("training step on cpu [ms]", "windows in a step")
    assert table.rows[1][4:] == ("500", "10") and table.rows[0][4:] == ("–", "–")
    assert table.rows[0][2] == "1.00" and table.rows[0][3] == "1.000"
    both = xr.concat([costs, costs.assign_coords(network=["met2net"])], "network")
    assert "threads" not in resources_table(analysis, scores, both).header
    both["num_threads"][:] = [2, 1]  # trained beside another one: not to be compared as they are
    table = resources_table(analysis, scores, both)
    assert table.header[-1] == "threads"
    assert [row[-1] for row in table.rows] == ["1", "2"]
    assert resources_table(analysis, scores, None).header[-1].startswith("multiply-adds")
    assert resources_table(analysis.drop_vars("parameters"), scores, None) is None


def test_lines_without_a_finite_value_are_left_out():
    figure = lead_time_curves(make_scores(), metric="acc")
    assert "climatology" not in {text.get_text() for text in figure.axes[0].texts}
    assert figure.axes[0].get_ylabel() == "ACC"


@pytest.mark.parametrize("metric", ["rmse", "acc"])
def test_labels_stand_at_the_height_of_their_line_s_end(metric):
    panel = lead_time_curves(make_scores(["met2net"], ["t2m"]), metric=metric).axes[0]
    low, high = panel.get_ylim()
    for line, label in zip(panel.lines, panel.texts, strict=True):
        height = (line.get_ydata()[-1] - low) / (high - low)
        assert label.get_position()[1] == pytest.approx(height, abs=0.06)


def test_a_line_shows_the_scores():
    scores = make_scores()
    panel = lead_time_curves(scores, metric="rmse", weighting="plain").axes[1]
    line = next(line for line in panel.lines if line.get_label() == "tau")
    expected = scores["score"].sel(metric="rmse", weighting="plain", channel="u10", model="tau")
    np.testing.assert_array_equal(line.get_ydata(), expected.values)


def test_touching_labels_spread_around_their_mean():
    assert spread([0.5, 0.5], gap=0.1) == pytest.approx([0.45, 0.55])
    assert spread([0.9, 0.1], gap=0.1) == [0.9, 0.1]
    assert spread([0.52, 0.5, 0.0], gap=0.1) == pytest.approx([0.56, 0.46, 0.0])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_spread_labels_keep_order_and_distance(positions):
    placed = spread(positions, gap=0.1)
    ordered = sorted(placed)
    assert all(b - a >= 0.1 - 1e-6 for a, b in zip(ordered, ordered[1:], strict=False))
    for i, a in enumerate(positions):
        assert all(placed[i] < placed[j] for j, b in enumerate(positions) if a < b)


@pytest.mark.parametrize("shape", [(4, 5), (21, 17), (32, 64)])
def test_maps_share_scales_and_errors_diverge_around_zero(shape):
    example = make_example(LONG_NAMES, shape=shape)
    figure = forecast_maps(example, channel="u10", model=LONG_NAMES[0])
    limits = [panel.collections[0].get_clim() for panel in figure.axes[:9]]
    truth, forecast, error = limits[:3]
    assert truth == forecast and limits[3:] == 2 * [truth, truth, error]
    assert error[0] == -error[1]
    assert figure.axes[0].get_title() == "truth, +1 h"
    assert overlapping_texts(figure) == []


@pytest.mark.parametrize("shape", [(4, 5), (32, 64)])
def test_maps_are_drawn_at_chosen_lead_times_with_coastlines(shape, tmp_path):
    (tmp_path / "coast.json").write_text(
        '{"type": "LineString", "coordinates": [[70, 18], [73, 20], [80, 60]]}'
    )
    settings = MapSettings(lead_hours=[3, 6], coastlines=str(tmp_path / "coast.json"))
    example = make_example(shape=shape)
    figure = forecast_maps(example, channel="t2m", model="tau", settings=settings)
    titles = [panel.get_title() for panel in figure.axes[:6]]
    assert titles[0] == "truth, +3 h" and titles[3] == "truth, +6 h"
    for panel in figure.axes[:6]:
        assert [type(item) for item in panel.collections[1:]] == [LineCollection] * 2
        west, east = panel.get_xlim()
        assert east - west == pytest.approx(360 if shape[1] == 64 else 0.25 * shape[1])
    assert overlapping_texts(figure) == []
    with pytest.raises(ValueError, match="lead_hours has 4; expected some of .*: 1, 2, 3, 6"):
        forecast_maps(example, channel="t2m", model="tau", settings=MapSettings(lead_hours=[4]))


def test_images_are_drawn_in_pixels_from_the_upper_left_and_in_frames():
    example = make_example(shape=(16, 12), lead_times=[1, 2, 3])
    example.attrs["form"] = "image_sequences"
    figure = forecast_maps(example, channel="t2m", model="tau")
    panel = figure.axes[0]
    assert panel.get_title() == "truth, frame 1"
    assert panel.get_xlim() == (-0.5, 11.5) and panel.get_ylim() == (15.5, -0.5)
    assert (figure.axes[6].get_xlabel(), panel.get_ylabel()) == ("column", "row")
    assert "initialized" not in figure.get_suptitle()
    assert len(panel.collections) == 1  # no coastlines
    scores = make_scores()
    scores.attrs["form"] = "image_sequences"
    assert lead_time_curves(scores, metric="rmse").axes[0].get_xlabel() == "lead time [frames]"


def test_small_grids_have_their_values_written_into_the_cells():
    example = make_example(shape=(4, 5), lead_times=[6])
    figure = forecast_maps(example, channel="t2m", model="met2net")
    assert [len(panel.texts) for panel in figure.axes[:3]] == [20, 20, 20]


def test_points_without_a_value_stay_blank_and_their_channel_has_no_spectrum():
    example = make_example(shape=(3, 3))
    land = (example["latitude"] == example["latitude"][0]) & (example["channel"] == "t2m")
    blank = {name: example[name].where(~land) for name in ("targets", "predictions")}
    figure = forecast_maps(example.assign(blank), channel="t2m", model="tau")
    values = [t.get_text() for panel in figure.axes for t in panel.texts]
    assert "nan" not in values and len(values) % 6 == 0  # of nine cells, six are written in
    scores = make_full_scores()
    is_sea = scores["channel"] != "t2m"
    masked = scores.assign({n: scores[n].where(is_sea) for n in ("power", "observed_power")})
    drawn = [panel.get_title(loc="left") for panel in spectra(masked).axes]
    assert [title for title in drawn if title] == ["u10", "v10"]


def test_a_perfect_forecast_draws():
    example = make_example()
    example["predictions"].loc[{"model": "met2net"}] = example["targets"]
    assert forecast_maps(example, channel="t2m", model="met2net").axes[2].collections[
        0
    ].get_clim() == (-1, 1)


def test_cka_curves_place_networks_of_different_depth_in_the_same_parts():
    analysis = make_analysis(("t2m", "uv10", "tcc"))
    figure = cka_curves(analysis, pair=("t2m", "tcc"))
    pair, mean = figure.axes
    assert [line.get_label() for line in pair.lines] == ["met2net", "tau"]
    for line, inside in zip(pair.lines, (4, 5), strict=True):  # layers of the translator
        x = np.asarray(line.get_xdata())
        assert ((x > 1) & (x < 2)).sum() == inside
    np.testing.assert_array_equal(mean.lines[1].get_ydata(), analysis["cka_mean_tau"])
    np.testing.assert_array_equal(
        pair.lines[0].get_ydata(), analysis["cka_met2net"].sel(variable="t2m", variable_2="tcc")
    )
    assert overlapping_texts(figure) == []


def test_heat_maps_have_a_panel_a_part_and_a_block():
    analysis = make_analysis(("t2m", "uv10", "tcc", "msl"))
    cka = cka_heat_maps(analysis, model="tau")
    titles = [panel.get_title() for panel in cka.axes[:3]]
    assert titles == ["encoder.1", "translator.4", "decoder.1"]
    attention = attention_heat_maps(analysis, model="met2net")
    assert [panel.get_title() for panel in attention.axes[:2]] == ["mean over blocks", "block 1"]
    assert len(attention.axes) == 1 + 4 + 1  # the last is the colour bar
    assert overlapping_texts(cka) == [] == overlapping_texts(attention)


def test_blocks_that_a_network_does_not_have_are_not_drawn():
    analysis = make_analysis()
    analysis["attention_met2net"].values[-1] = np.nan
    figure = attention_heat_maps(analysis, model="met2net")
    assert len(figure.axes) == 1 + 3 + 1


def test_negative_estimates_of_cka_stay_inside_the_panel():
    analysis = make_analysis()
    analysis["cka_tau"].values[0] = -0.2
    assert cka_curves(analysis).axes[0].get_ylim()[0] < -0.2


def test_scoreboard_has_the_best_model_on_top():
    figure = scoreboard(make_scores(LONG_NAMES))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[-1] == LONG_NAMES[0] and labels[0] == "climatology"
    assert overlapping_texts(figure) == []


def test_training_curves_keep_the_colours_of_the_scores(tmp_path):
    run = make_run_folder(tmp_path)
    curves = {"tau": read_curves(run / "models" / "tau" / "metrics.csv")}
    figure = training_curves(curves, order=["met2net", "tau"])
    assert figure.axes[0].lines[0].get_color() == color_of("tau", ["met2net", "tau"])
    assert len(figure.axes[1].lines) == 2  # train_loss and train_latent_loss
    assert overlapping_texts(figure) == []


def test_colours_and_line_styles_together_tell_twelve_networks_apart():
    models = [f"network_{i}" for i in range(12)] + list(BASELINES)
    assert len({(color_of(m, models), str(line_of(m, models))) for m in models}) == 15


def test_curves_take_the_later_of_two_rows_of_an_epoch(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,val_rmse\n0,0.5\n1,\n1.0,0.4\n1,0.3\n")
    assert read_curves(tmp_path / "metrics.csv") == {"val_rmse": [(0, 0.5), (1, 0.3)]}


def test_drawing_a_run_draws_what_its_files_allow(tmp_path):
    run = make_run_folder(tmp_path / "whole")
    names = {path.name for path in draw_run(run)}
    assert names == {
        "scoreboard.png", "lead_time_rmse.png", "lead_time_acc.png", "map_t2m.png", "map_u10.png",
        "map_v10.png", "cka_by_layer.png", "cka_matrix_met2net.png", "cka_matrix_tau.png",
        "attention_met2net.png", "training.png",
    }  # fmt: skip
    assert sorted(path.name for path in (run / "figures").iterdir()) == sorted(names)
    scores_only = tmp_path / "scores_only"
    scores_only.mkdir()
    make_scores().to_netcdf(scores_only / "scores.nc")
    assert [path.stem for path in draw_run(scores_only)] == [
        "scoreboard", "lead_time_rmse", "lead_time_acc",
    ]  # fmt: skip


def test_one_variable_has_neither_pairs_nor_attention_to_draw(tmp_path):
    run = make_run_folder(tmp_path, networks=["met2net"], channels=["t2m"], variables=["t2m"])
    stems = [path.stem for path in draw_run(run)]
    assert not [stem for stem in stems if stem.startswith(("cka", "attention"))]


def test_figures_do_not_change_their_data():
    example, scores, analysis = make_example(), make_scores(), make_analysis()
    copies = [data.copy(deep=True) for data in (example, scores, analysis)]
    forecast_maps(example, channel="t2m", model="tau")
    lead_time_curves(scores, metric="rmse")
    cka_curves(analysis)
    for data, copy in zip((example, scores, analysis), copies, strict=True):
        xr.testing.assert_identical(data, copy)


def test_a_saved_figure_is_a_whole_png_and_leaves_no_other_file(tmp_path):
    path = save(scoreboard(make_scores()), tmp_path / "new" / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(path.parent.iterdir()) == [path]
