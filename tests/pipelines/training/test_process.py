from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pipelines.training.process as training_process
from met2net.checkpoint import load_checkpoint
from met2net.data.windows import WindowSpec
from met2net.training.settings import OptimizationSettings
from pipelines.errors import DataError
from pipelines.training.callbacks import EpochMetrics
from pipelines.training.job import TrainerSettings, TrainingJob, write_job
from pipelines.training.process import main, run_training
from pipelines.training.train import CHECKPOINT
from tests.pipelines.small_project import VARIABLES, make_training_set
from tests.pipelines.training.training_jobs import make_job, with_trainer

pytestmark = [
    # Windows are read by threads of the loader's own.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
]


def test_a_split_without_a_window_is_one_line_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training_set = make_training_set(tmp_path)
    job = TrainingJob(
        name="tau",
        training_set=str(training_set),
        training_set_fingerprint=training_set.stem,
        window=WindowSpec.regular(num_inputs=1, num_targets=1, step_hours=200),
        network={
            "_target_": "met2net.models.baselines.metaformer.TAU",
            "variables": {"t2m": ["t2m"]},
            "num_inputs": 1,
            "num_targets": 1,
            "spatial_dim": 4,
            "latent_dim": 8,
            "num_blocks": 2,
        },
        objective={"_target_": "met2net.training.objective.EndToEnd"},
        optimization=OptimizationSettings(
            learning_rate=1e-3, schedule="constant", max_epochs=1, batch_size=4
        ),
        trainer=TrainerSettings(),
        provenance={},
    )
    write_job(job, tmp_path / "job.json")
    assert main(tmp_path / "job.json") == 2
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert printed == (
        "error: found no window in split 'train', which has 144 hours; expected at least 201 hours "
        "in a row, without a gap at the frames (0,) and (200,) [hours from the init time]"
    )


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("data"))


def test_deterministic_mode_is_on_during_training_and_off_without_it(
    training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Noting(EpochMetrics):
        def on_train_epoch_end(self, trainer, pl_module):
            seen.append(torch.are_deterministic_algorithms_enabled())

    monkeypatch.setattr(training_process, "EpochMetrics", Noting)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # which Lightning sets
    job = make_job(training_set, max_epochs=1, batches_per_epoch=1)
    try:
        run_training(job, tmp_path / "off")
        run_training(with_trainer(job, deterministic=True), tmp_path / "on")
    finally:
        torch.use_deterministic_algorithms(False)
    assert seen == [False, True]


def test_recomputing_activations_changes_nothing_but_memory(
    training_set: Path, tmp_path: Path
) -> None:
    job = make_job(training_set, max_epochs=1, batches_per_epoch=3, average_decay=0.9)
    weights = []
    for name, recompute in (("kept", False), ("recomputed", True)):
        run_training(with_trainer(job, recompute_activations=recompute), tmp_path / name)
        weights.append(load_checkpoint(tmp_path / name / CHECKPOINT).network.state_dict())
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


@pytest.mark.parametrize("changes", [{"fields_on_device": True}, {"prefetch": 0}])
def test_where_batches_come_from_changes_nothing(
    training_set: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    job = make_job(training_set, max_epochs=1, batches_per_epoch=2)
    weights = []
    for name, trainer in (("default", {}), ("changed", changes)):
        run_training(with_trainer(job, **trainer), tmp_path / name)
        weights.append(load_checkpoint(tmp_path / name / CHECKPOINT).network.state_dict())
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


def test_the_settings_of_the_loader_reach_it(
    training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}

    class Noting(training_process.WindowModule):
        def __init__(self, data, job, **settings):
            made.update(settings, mapped=data.fields.is_mapped)
            super().__init__(data, job, **settings)

    limits = []
    opened = training_process.TrainingSet.open
    monkeypatch.setattr(
        training_process.TrainingSet,
        "open",
        lambda path, *, memory_limit: limits.append(memory_limit) or opened(path, memory_limit=0),
    )
    monkeypatch.setattr(training_process, "WindowModule", Noting)
    job = make_job(training_set, max_epochs=1, batches_per_epoch=1)
    run_training(with_trainer(job, memory_limit="3MiB", prefetch=1), tmp_path)
    assert limits == [3 * 2**20]
    assert made == {"prefetch": 1, "on_device": False, "mapped": False}


def test_compile_compiles_the_network_and_its_copies(
    training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: compiled.append(self))
    job = make_job(training_set, max_epochs=1, batches_per_epoch=1)
    run_training(job, tmp_path / "plain")
    assert compiled == []
    run_training(with_trainer(job, compile=True), tmp_path / "compiled")
    assert [type(part).__name__ for part in compiled].count("TranslatorBlock") == 4


def test_a_network_without_blocks_to_recompute_is_the_user_s_mistake(
    training_set: Path, tmp_path: Path
) -> None:
    network = {
        "_target_": "met2net.models.baselines.convlstm.ConvLSTM",
        "variables": {name: list(labels) for name, labels in VARIABLES.items()},
        "num_inputs": 3, "num_targets": 2, "hidden_dim": 4, "num_layers": 1, "kernel_size": 3,
        "patch_size": 1,
    }  # fmt: skip
    job = replace(
        with_trainer(make_job(training_set), recompute_activations=True),
        network=network,
        objective={"_target_": "met2net.training.objective.EndToEnd"},
    )
    with pytest.raises(DataError, match="ConvLSTM has no|has no repeated blocks"):
        run_training(job, tmp_path)


def test_the_averaged_weights_are_saved(training_set: Path, tmp_path: Path) -> None:
    job = make_job(training_set, max_epochs=1, batches_per_epoch=3, average_decay=0.5)
    run_training(job, tmp_path)
    saved = load_checkpoint(tmp_path / CHECKPOINT).network.state_dict()
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    for name, tensor in saved.items():
        assert torch.equal(tensor, best[f"average.network.{name}"])
    moved = [
        name for name, tensor in saved.items() if not torch.equal(tensor, best[f"network.{name}"])
    ]
    assert moved


SRUN = {
    "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "forecasts", "SLURM_NTASKS": "4", "SLURM_PROCID": "2",
    "SLURM_LOCALID": "2", "SLURM_NODEID": "0", "SLURM_NODELIST": "node[1-2]",
    "SLURM_STEP_ID": "0",
}  # fmt: skip
OTHER_SCHEDULERS = {
    "LSB_JOBID": "7", "LSB_DJOB_RANKFILE": "ranks", "JSM_NAMESPACE_SIZE": "4",
    "JSM_NAMESPACE_RANK": "2", "JSM_NAMESPACE_LOCAL_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4",
}  # fmt: skip


@pytest.mark.parametrize("scheduler", [SRUN, OTHER_SCHEDULERS], ids=["srun", "LSF"])
def test_one_process_of_a_scheduled_job_is_one_process(
    scheduler: dict[str, str], training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in scheduler.items():
        monkeypatch.setenv(name, value)
    job = make_job(training_set, max_epochs=1, batches_per_epoch=1)
    trainer = training_process._trainer(job, tmp_path)
    assert (trainer.world_size, trainer.global_rank) == (1, 0)
    assert run_training(job, tmp_path / "run").is_file()


def test_several_processes_of_a_scheduled_job_are_those_of_torchrun(
    training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchrun = {
        "RANK": "1", "LOCAL_RANK": "1", "GROUP_RANK": "0", "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1",
        "TORCHELASTIC_RUN_ID": "none",
    }  # fmt: skip
    for name, value in (SRUN | torchrun).items():
        monkeypatch.setenv(name, value)
    job = with_trainer(make_job(training_set), devices=2)
    trainer = training_process._trainer(job, tmp_path)
    environment = trainer.strategy.cluster_environment
    assert type(environment).__name__ == "TorchElasticEnvironment"
    assert (environment.world_size(), environment.global_rank()) == (2, 1)
    assert trainer.num_nodes == 1 and environment.main_address == "localhost"
