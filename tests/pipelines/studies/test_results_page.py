"""The page of results says what the seeds say, and no more."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from pipelines.errors import DataError
from pipelines.studies.parts import ScoredPart, write_parts
from pipelines.studies.results_page import judged, write_results_page
from pipelines.training.cost import TrainingCost

NETWORKS = ("tau", "met2net", "convlstm")
ERRORS = {"tau": 0.9, "met2net": 0.7, "convlstm": 0.5, "persistence": 1.0, "ridge": 0.6}


COST = TrainingCost(
    params=1.0, num_models=1, multiply_adds=1.0, training_multiply_adds=1.0, memory=None,
    step_time=1.0, batch_size=4, device="cpu", num_threads=2,
)  # fmt: skip


def make_study(
    folder: Path,
    *,
    seeds: int,
    rates: tuple[float, ...] | None = (1e-3, 2e-3),
    step_time: float | None = None,
    lowest_margin: float = 0.11,
    repeated: tuple[str, ...] = NETWORKS,
) -> Path:
    parts = []
    for seed in range(seeds):
        run = folder / str(seed)
        run.mkdir(parents=True)
        rows = {"Baseline: TAU": "tau", "Met2Net": "met2net", "ConvLSTM": "convlstm"}
        if seed > 0:
            rows = {row: model for row, model in rows.items() if model in repeated}
        models = [model for model in ERRORS if model in rows.values() or model not in NETWORKS]
        error = [ERRORS[model] + 0.01 * seed for model in models]
        pairs = (len(models), len(models))
        scores = xr.Dataset(
            {
                "normalized_rmse": ("model", error),
                "normalized_rmse_low": ("model", [e - 0.1 for e in error]),
                "normalized_rmse_high": ("model", [e + 0.1 for e in error]),
                "score": ("model", error), "pooled": ("model", error),
                "margin_low": (
                    ("model", "other_model"), np.full(pairs, lowest_margin + 0.01 * seed),
                ),
                "margin_high": (("model", "other_model"), np.full(pairs, 0.19 + 0.01 * seed)),
            },
            coords={
                "model": models, "other_model": models, "channel": ["t2m"],
                "units": ("channel", ["K"]),
            },
            attrs={"num_windows": 7},
        )  # fmt: skip
        scores.to_netcdf(run / "scores.nc")
        part = ScoredPart(
            part="all", protocol="clean", seed=seed, folder=run, training_set=folder,
            variables={"t2m": ("t2m",)}, checkpoints={}, learning_rates={"tau": 2e-3},
            rows=rows,
            costs={} if step_time is None else {"tau": replace(COST, step_time=step_time)},
            steps_an_epoch={} if step_time is None else {"tau": 100},
        )  # fmt: skip
        parts.append(part)
    write_parts(folder / "study.json", parts)
    settings = {
        "name": "results", "title": "Made up",
        "study": {} if rates is None else {"learning_rates": list(rates)},
        "models": {"tau": {"optimization": {"max_epochs": 3}}},
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_the_page_ranks_models_and_judges_claims(tmp_path) -> None:
    page = write_results_page([make_study(tmp_path / "a", seeds=3)], tmp_path / "results.md")
    text = page.read_text()
    assert (
        "experiment=results`: t2m; 7 windows; 3 seeds. Learning rates tried: 0.001, 0.002; chose "
        "the largest, so that a larger one might serve still better: Baseline: TAU.\n"
    ) in text
    assert "| Baseline: TAU | 0.002 | 0.9100 | 0.9000 – 0.9200 | 0.8100 – 1.0100 | 0.901 |" in text
    assert "| Met2Net is better than TAU (Table 1) | -0.2000 | agrees |" in text
    assert "| Met2Net is better than ConvLSTM (Table 1) | +0.2000 | **contradicts** |" in text
    assert (
        "Better than the best yardstick, ridge: ConvLSTM by 16.40% [12.00, 20.00]. Brackets: "
        "paired 95 % intervals, averaged over seeds." in text
    )
    assert "training [s]" not in text
    assert text.index("| ConvLSTM |") < text.index("| ridge |") < text.index("| Met2Net |")


def test_what_only_the_first_seed_trained_has_no_range_and_its_own_margin(tmp_path) -> None:
    folder = make_study(tmp_path / "a", seeds=3, repeated=("met2net",))
    text = write_results_page([folder], tmp_path / "results.md").read_text()
    assert "| Met2Net | – | 0.7100 | 0.7000 – 0.7200 | 0.6100 – 0.8100 | 0.703 |" in text
    assert "| ConvLSTM | – | 0.5000 | – | 0.4000 – 0.6000 | 0.495 |" in text
    # 1 - 0.5 / 0.6; the interval of the first seed.
    assert "ridge: ConvLSTM by 16.67% [11.00, 19.00]." in text
    assert "| Met2Net is better than TAU (Table 1) | -0.1900 | one seed: agrees |" in text


def test_a_network_whose_interval_holds_zero_is_level_with_the_yardstick(tmp_path) -> None:
    folder = make_study(tmp_path / "a", seeds=3, lowest_margin=-0.02)
    text = write_results_page([folder], tmp_path / "results.md").read_text()
    assert (
        "Better than the best yardstick, ridge: none; no more than level with it: ConvLSTM by "
        "16.40% [-1.00, 20.00]. Brackets: paired" in text
    )


def test_where_costs_were_measured_it_is_said_how_long_each_was_trained(tmp_path) -> None:
    page = write_results_page([make_study(tmp_path, seeds=1, step_time=0.25)], tmp_path / "page.md")
    text = page.read_text()
    assert "| / persistence | steps | training [s] |\n" in text
    assert "| 0.900 | 300 | 75 |\n" in text  # 3 epochs of 100 steps
    assert "| 1.000 | – | – |\n" in text  # persistence


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        (None, "7 windows; 1 seed.\n"),  # a study that has none
        ((2e-3,), "7 windows; 1 seed.\n"),  # no search
        ((2e-3, 4e-3), "a larger one might serve still better: none.\n"),
    ],
)
def test_it_is_said_whose_learning_rate_lies_at_the_end_of_the_search(tmp_path, rates, says):
    page = write_results_page([make_study(tmp_path, seeds=1, rates=rates)], tmp_path / "page.md")
    assert says in page.read_text()


@pytest.mark.parametrize(
    ("better", "worse", "says"),
    [
        ([0.1, 0.2], [0.3, 0.4], "agrees"),
        ([0.3, 0.4], [0.1, 0.2], "**contradicts**"),
        ([0.1, 0.3], [0.2, 0.4], "undecided: the seeds overlap"),
        ([0.1], [0.2], "one seed: agrees"),
        ([0.2], [0.1], "one seed: contradicts"),
        ([0.10001], [0.10002], "no difference"),
        ([0.1, 0.10002], [0.10001, 0.10002], "no difference"),
    ],
)
def test_a_claim_is_judged_by_whether_the_seeds_overlap(better, worse, says) -> None:
    assert judged(better, worse) == says


def test_what_is_no_study_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="expected the folder of a finished study"):
        write_results_page([tmp_path], tmp_path / "results.md")
