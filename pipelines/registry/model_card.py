"""Model cards: what a registered model is, how good, from what, for what."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import xarray as xr
from PIL import Image

from met2net.checkpoint import Checkpoint
from met2net.models.wrapper import needs_init_time
from pipelines.evaluation.summary import decimals_for, verdict

__all__ = [
    "CARD_PICTURES",
    "REPORT",
    "card_pictures",
    "model_card",
    "picture_addresses",
    "report_address",
    "shorten",
    "shrink_pictures",
]

CARD_PICTURES = "card_pictures"
"""Folder of a run's artifacts with the small pictures of its card."""
REPORT = "report.html"
"""Artifact of a run that its card leads to."""
_DECISION = ("month", "decision", "reasons", "decided_at", "champion_before")
"""Tags of the monthly retraining that the card tells in words."""
_CARD_WIDTH = 512  # [pixels]; MLflow 3.17 has room for 522 in a window of 1024
_PICTURES = ("scoreboard", "lead_time_rmse", "map_", "training")  # in this order, if there


def model_card(
    *,
    name: str,
    model: str,
    checkpoint: Checkpoint,
    scores: xr.Dataset,
    tags: Mapping[str, str],
    figures: Mapping[str, tuple[str, str]],
    report: str | None = None,
) -> str:
    """Write a model's card in Markdown.

    Args:
        name: registered name.
        model: the model's name in the scores.
        checkpoint: what is registered.
        scores: of this model and the baselines.
        tags: archive snapshot, commit, fingerprint, protocol ...
        figures: title -> addresses of a small picture and of the whole one that it leads to.
        report: address of the report; None: there is none.
    """
    provenance = checkpoint.provenance
    attribution = provenance.get("attribution", "")
    window, grid = checkpoint.window, checkpoint.grid
    # A training may be another experiment's, too: what the version says of itself counts.
    facts = {**{k: v for k, v in provenance.items() if k != "attribution"}, **tags}
    facts = {k: v for k, v in facts.items() if k not in _DECISION}
    sections = [
        f"# {name}",
        *_decision(tags),
        str(verdict(scores, network=model)),
        *([] if report is None else [f"[The report]({report}): every score, map and analysis."]),
        "## Scores\n\n"
        "RMSE over all lead times, in all columns plain, not weighted by area: every grid point "
        "counts alike; *normalized*: over training standard deviation, mean over channels. Best "
        f"first; **bold**: this model. {scores.attrs['num_windows']} windows of the "
        f"{scores.attrs['split']} split; climatology by {scores.attrs['climatology']}.\n\n"
        + _score_table(scores, model=model),
        f"## Input and output\n\n{_channels(checkpoint)}"
        f"- Grid: {grid}\n"
        f"- Inputs: {window.num_inputs} frames at {_hours(window.input_hours)} h\n"
        f"- Outputs: {window.num_targets} frames at {_hours(window.target_hours)} h\n"
        "- Arrays float32, batch x time x channel x latitude x longitude, physical units"
        + (
            "\n- Inputs by name: `fields`, and `init_time`, hours since 1970-01-01T00 UTC"
            if needs_init_time(checkpoint.network)
            else ""
        )
        + _without_value(checkpoint),
        "## Provenance\n\n" + "\n".join(f"- {key}: `{value}`" for key, value in facts.items()),
        "## Intended use and limits\n\n"
        "Research on data-driven forecasting, for the channels, grid and lead times above. "
        "Scores hold for the split named above and say nothing about other regions, years or "
        "longer lead times; extremes were not verified apart. One training run: intervals tell "
        "the chance of the weather in the split, not that of the training. Not for warnings or "
        "decisions about safety.",
    ]
    if figures:
        pictures = "\n\n".join(
            f"{title}:\n\n[![{title}]({small})]({whole})"
            for title, (small, whole) in figures.items()
        )
        sections.append("## Pictures\n\nEach leads to the whole picture.\n\n" + pictures)
    if attribution:
        sections.append(f"*{attribution}*")
    return "\n\n".join(sections) + "\n"


def _channels(checkpoint: Checkpoint) -> str:
    """List the channels, inputs and outputs apart where they differ."""
    seen, given = (
        ", ".join(
            label if units == "1" else f"{label} [{units}]"
            for label, units in zip(labels, checkpoint.units_of(labels), strict=True)
        )
        for labels in (checkpoint.input_channels, checkpoint.output_channels)
    )
    if seen == given:
        return f"- Channels, in this order: {seen}\n"
    return (
        f"- Channels of inputs, in this order: {seen}\n"
        f"- Channels of outputs, in this order: {given}\n"
    )


def _decision(tags: Mapping[str, str]) -> list[str]:
    """Say what the monthly retraining decided, and why; nothing for other models."""
    if "decision" not in tags:
        return []
    before = tags.get("champion_before", "none")
    against = "no champion before it" if before == "none" else f"against version {before}"
    head = f"**Challenger of {tags['month']}: {tags['decision']}**, {against}:"
    return [head + "\n\n" + "\n".join(f"- {reason}" for reason in json.loads(tags["reasons"]))]


def _without_value(checkpoint: Checkpoint) -> str:
    """Say which channels lack values; nothing where none does."""
    if checkpoint.valid is None:
        return ""
    labels, size = checkpoint.normalizer.channels, checkpoint.valid.mask[0].size
    counts = dict(zip(labels, checkpoint.valid.counts, strict=True))
    places = [f"{label} at {size - counts[label]} of {size}" for label in
              checkpoint.valid.masked(labels)]  # fmt: skip
    return f"\n- Points without a value: {', '.join(places)}; NaN there in outputs, any in inputs"


def _hours(hours: tuple[int, ...]) -> str:
    """Write offsets, the middle left out where they are many."""
    texts = [f"{hour:+d}" if hour else "0" for hour in hours]
    return ", ".join(texts if len(texts) <= 6 else [*texts[:2], "...", texts[-1]])


def _score_table(scores: xr.Dataset, *, model: str) -> str:
    """Write normalized and pooled RMSE of every scored model as a Markdown table, best first."""
    shown = list(map(str, scores["normalized_rmse"].to_series().sort_values().index))
    rmse = scores["pooled"].sel(metric="rmse", weighting="plain", model=shown)
    channels = [str(label) for label in scores["channel"].values]
    units = dict(zip(channels, map(str, scores["units"].values), strict=True))
    places = {label: decimals_for(rmse.sel(channel=label).values) for label in channels}
    heads = [label if units[label] == "1" else f"{label} [{units[label]}]" for label in channels]
    lines = ["| model | normalized (plain) | " + " | ".join(heads) + " |"]
    lines.append("|---|" + "---:|" * (1 + len(channels)))
    for name in shown:
        cells = [f"{scores['normalized_rmse'].sel(model=name).item():.4f}"]
        cells += [
            f"{rmse.sel(model=name, channel=label).item():.{places[label]}f}" for label in channels
        ]
        label = f"**{name}** (this model)" if name == model else name
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def card_pictures(figures: Sequence[Path]) -> list[Path]:
    """Choose pictures for a card, in order."""
    chosen = (
        next((path for path in figures if path.stem.startswith(prefix)), None)
        for prefix in _PICTURES
    )
    return [path for path in chosen if path is not None]


def shrink_pictures(figures: Sequence[Path], folder: Path) -> list[Path]:
    """Write pictures no wider than a model's page, which shows them as wide as they are.

    MLflow's pages take no width from Markdown, and leave out HTML that would give one.
    """
    small = []
    for path in figures:
        with Image.open(path) as drawn:
            picture = drawn.convert("RGB")  # of a palette, pixels would be dropped, not averaged
        picture.thumbnail((_CARD_WIDTH, 4 * _CARD_WIDTH))
        picture.save(folder / path.name)
        small.append(folder / path.name)
    return small


def picture_addresses(figures: Sequence[Path], *, run_id: str) -> dict[str, tuple[str, str]]:
    """Give title -> addresses of the small and the whole picture, relative to MLflow's page."""
    return {
        path.stem.replace("_", " "): (
            _address(f"{CARD_PICTURES}/{path.name}", run_id),
            _address(f"figures/{path.name}", run_id),
        )
        for path in figures
    }


def _address(artifact: str, run_id: str) -> str:
    return f"get-artifact?path={quote(artifact, safe='')}&run_uuid={run_id}"


def report_address(*, experiment_id: str, run_id: str) -> str:
    """Give the address of a run's `report.html` in MLflow's pages, which show it there."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{REPORT}"


def shorten(card: str, *, length: int) -> str:
    """Cut a card to a length at the end of a line, and say where all of it is."""
    if len(card) <= length:
        return card
    note = "\n\n... (the whole card is the model's artifact `model_card.md`)\n"
    return card[: length - len(note)].rsplit("\n", 1)[0] + note
