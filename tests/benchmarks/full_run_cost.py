"""Cost of one model at published settings, alone in a process; prints JSON.

`python -m tests.benchmarks.full_run_cost EXPERIMENT MODEL DEVICE BATCH_SIZE`, where the device is
`cpu` or `gpu`.
The data are noise of the published shape: nothing has to be downloaded.
"""

import json
import sys
from dataclasses import asdict, replace

from flows.settings.window_counts import count_cells
from flows.studies.part_runs import part_experiments
from flows.studies.study import load_study
from pipelines.training.cost import measure_cost
from pipelines.training.job import TrainingJob


def measure(name: str, model: str, *, device: str, batch_size: int) -> dict[str, float | str]:
    """Measure a step; give it with the steps and epochs of the published run."""
    overrides = [f"experiment={name}", "source=generated" if _is_weather(name) else
                 "source=generated_images", "++study.protocols=[clean]"]  # fmt: skip
    overrides.append("++study.at.paper=[]")  # settings of the published source
    if not _is_weather(name):
        overrides.append(f"source.image_size={64 if name == 'table6' else 32}")
    study = load_study(overrides)
    assert study is not None
    run = part_experiments(study, overrides)[0]
    experiment = run.experiment
    settings = experiment.models[model]
    job = TrainingJob(
        name=model, training_set="", training_set_fingerprint="", window=experiment.window,
        network=settings.network, objective=settings.objective,
        optimization=replace(settings.optimization, batch_size=batch_size),
        trainer=replace(experiment.trainer, accelerator=device), provenance={},
    )  # fmt: skip
    counts = {c.metric: int(c.clean or 0) for c in count_cells([(name, "clean", experiment)])}
    frame = (counts["num_channels"], counts["height"], counts["width"])
    cost = measure_cost(job, frame=frame)
    return {
        **asdict(cost),
        "windows": counts["num_train"],
        "epochs": settings.optimization.max_epochs,
    }


def _is_weather(name: str) -> bool:
    return name not in ("table6", "table7")


if __name__ == "__main__":
    found = measure(sys.argv[1], sys.argv[2], device=sys.argv[3], batch_size=int(sys.argv[4]))
    print(json.dumps(found))
