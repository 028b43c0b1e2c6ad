"""Published numbers for an experiment on the paper's data under the paper's protocol."""

import yaml

from flows.settings.compose import CONFIGS, resolve
from flows.settings.config import Experiment
from flows.settings.data import data_settings
from pipelines.image_sequences.generated import GeneratedSequences
from pipelines.report.published import PublishedTable
from pipelines.sources.gcm import Gcm
from pipelines.sources.generated import Generated

__all__ = ["published_for"]

_TABLES = {
    "weather_l": "table1", "weather_ha": "table3", "weather_h": "table4", "era5_cropped": "table5",
    "mvmmfnist": "table6", "taxibj": "table7",
}  # fmt: skip
_MADE_UP = (Gcm, Generated, GeneratedSequences)


def published_for(experiment: Experiment) -> PublishedTable | None:
    """Find the paper's table for an experiment; None where its numbers cannot be compared.

    They can where variables, grid, splits, windows and normalization are those that
    `configs/data` has for the paper's data set under a protocol of the paper, and the data are
    not made up.
    """
    if experiment.protocol.is_clean or isinstance(experiment.source, _MADE_UP):
        return None
    own = data_settings(experiment.resolved)
    for name, table in _TABLES.items():
        text = (CONFIGS / "data" / f"{name}.yaml").read_text(encoding="utf-8")
        if yaml.safe_load(text)["variables"] != own["variables"]:
            continue
        theirs = data_settings(resolve([f"data={name}", f"protocol={experiment.protocol.name}"]))
        if theirs == own:
            return PublishedTable(table, experiment.variables)
    return None
