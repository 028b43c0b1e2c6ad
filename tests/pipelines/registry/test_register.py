import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from met2net.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowSpec
from met2net.forecast import Forecaster
from met2net.models.build import build
from pipelines.errors import DataError
from pipelines.registry.aliases import alias_history, promote
from pipelines.registry.register import register
from pipelines.registry.versions import fetch_checkpoint
from pipelines.run_folder import RunFolder
from pipelines.tracking.find_runs import find_or_start_run, open_experiment
from pipelines.tracking.mlflow_quiet import mlflow
from pipelines.tracking.track_run import track_run
from tests.pipelines.synthetic_run import axes, make_run_folder

CHANNELS = ("t2m", "u10", "v10")
SHAPE = (8, 10)
ATTRIBUTION = "Contains modified Copernicus Climate Change Service information 2020."


@pytest.fixture(scope="module", autouse=True)
def _no_telemetry():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for the module: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = make_run_folder(tmp_path_factory.mktemp("runs") / "demo", shape=SHAPE)
    save_checkpoint(folder / "models" / "met2net" / "model.safetensors", make_checkpoint())
    return folder


def make_checkpoint() -> Checkpoint:
    settings = {
        "_target_": "met2net.models.met2net.Met2Net",
        "variables": {"t2m": ["t2m"], "uv10": ["u10", "v10"]},
        "num_inputs": 2,
        "num_targets": 4,
        "spatial_dim": 4,
        "latent_dim": 16,
        "num_blocks": 1,
        "num_scales": 2,
        "num_heads": 2,
    }
    latitude, longitude = axes(*SHAPE)
    return Checkpoint(
        network=build(settings),
        settings=settings,
        normalizer=Normalizer(CHANNELS, (285.0, 0.5, -0.3), (14.0, 5.0, 4.5)),
        grid=Grid(tuple(latitude), tuple(longitude)),
        window=WindowSpec((-1, 0), (1, 2, 3, 6)),
        variables={"t2m": ("t2m",), "uv10": ("u10", "v10")},
        units=("K", "m s-1", "m s-1"),
        provenance={"archive_snapshot": "SNAPSHOT1", "attribution": ATTRIBUTION},
    )


def make_tags(fingerprint: str = "f" * 16) -> dict[str, str]:
    return {
        "archive_snapshot": "SNAPSHOT1",
        "git_commit": "abc123",
        "settings_fingerprint": fingerprint,
        "protocol": "clean",
    }


def make_inputs(samples: int = 2) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(samples, 2, 3, *SHAPE))
    mean, std = np.array([285.0, 0.5, -0.3]), np.array([14.0, 5.0, 4.5])
    return (mean[:, None, None] + std[:, None, None] * noise).astype(np.float32)


def register_demo(store: str, run_folder: Path, name: str, **changes: object) -> str:
    client = mlflow.MlflowClient(tracking_uri=store)
    run_id = find_or_start_run(
        client, open_experiment(store, "registry"), fingerprint="0", stage="parent"
    )
    picture = run_folder / "figures" / "scoreboard.png"
    picture.parent.mkdir(exist_ok=True)
    Image.new("RGB", (1400, 700)).save(picture)
    arguments = {
        "checkpoint": run_folder / "models" / "met2net" / "model.safetensors",
        "name": name,
        "tracking_uri": store,
        "run_id": run_id,
        "example": make_inputs(),
        "scores": run_folder / "scores.nc",
        "figures": [picture],
        "tags": make_tags(),
    }
    return register(**(arguments | changes))


def model_folder(store: str, name: str, version: str) -> Path:
    client = mlflow.MlflowClient(tracking_uri=store)
    return Path(client.get_model_version_download_uri(name, version).removeprefix("file://"))


@pytest.fixture(scope="module")
def registered(store, run_folder):
    assert register_demo(store, run_folder, "demo") == "1"
    return model_folder(store, "demo", "1")


def test_registering_leaves_mlflow_pointing_where_it_pointed(registered):
    assert not mlflow.is_tracking_uri_set()


def test_the_model_folder_holds_no_pickle_and_no_bytecode(registered):
    names = [path.name for path in registered.rglob("*")]
    assert not [n for n in names if n.endswith((".pkl", ".pickle", ".pyc")) or n == "__pycache__"]
    assert "pyfunc_model.py" in names and "model.safetensors" in names and "forecast.py" in names


def test_requirements_are_pinned_without_local_tags(registered):
    lines = (registered / "requirements.txt").read_text().split()
    assert {line.split("==")[0] for line in lines} == {
        "torch", "numpy", "xarray", "einops", "jaxtyping", "safetensors", "mlflow",
    }  # fmt: skip
    assert all("==" in line and "+" not in line for line in lines)


def test_signature_and_input_example_have_the_checkpoint_s_shape(registered):
    model = mlflow.models.Model.load(str(registered))
    assert model.signature.inputs.inputs[0].shape == (-1, 2, 3, *SHAPE)
    assert model.signature.outputs.inputs[0].shape == (-1, -1, 3, *SHAPE)
    (horizon,) = model.signature.params.params
    assert (horizon.name, horizon.default) == ("num_leads", 4)
    np.testing.assert_array_equal(model.load_input_example(str(registered)), make_inputs()[:1])


def test_version_has_tags_scores_and_a_card(store, registered):
    version = mlflow.MlflowClient(tracking_uri=store).get_model_version("demo", "1")
    assert version.tags.items() >= make_tags().items()
    assert float(version.tags["test.normalized_rmse"]) > 0
    assert float(version.tags["test.rmse.area.t2m"]) > 0
    assert version.description.startswith("# demo\n")
    assert ATTRIBUTION in version.description
    assert "get-artifact?path=figures%2Fscoreboard.png" in version.description
    client = mlflow.MlflowClient(tracking_uri=store)
    small = client.download_artifacts(version.run_id, "card_pictures/scoreboard.png")
    with Image.open(small) as picture:
        assert picture.size == (512, 256)


def test_a_version_leads_to_its_run_s_report_where_there_is_one(store, run_folder, registered):
    client = mlflow.MlflowClient(tracking_uri=store)
    assert "The report" not in client.get_model_version("demo", "1").description
    experiment = open_experiment(store, "reported")
    run_id = find_or_start_run(client, experiment, fingerprint="1", stage="parent")
    client.log_text(run_id, "<p>scores</p>", "report.html")
    version = register_demo(store, run_folder, "reported", run_id=run_id)
    link = f"(#/experiments/{experiment}/runs/{run_id}/artifacts/report.html)"
    assert link in client.get_model_version("reported", version).description


def test_registering_the_same_settings_again_makes_no_second_version(store, run_folder, registered):
    history = alias_history("demo", tracking_uri=store)
    assert register_demo(store, run_folder, "demo") == "1"
    client = mlflow.MlflowClient(tracking_uri=store)
    assert len(client.search_model_versions("name = 'demo'")) == 1
    assert alias_history("demo", tracking_uri=store) == history


_LOAD = """
import json, sys
import numpy as np
try:
    import met2net
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("met2net is importable; the test proves nothing")
import cloudpickle, mlflow.pyfunc, pickle, torch

def refuse(*args, **kwargs):
    raise RuntimeError("something was unpickled")

class Refusing(pickle.Unpickler):
    __init__ = load = refuse

for module in (pickle, cloudpickle):
    module.load = module.loads = refuse
    module.Unpickler = Refusing
torch.load = refuse
torch.set_num_threads(1)
store, inputs, out = sys.argv[1:]
mlflow.set_tracking_uri(store)
model = mlflow.pyfunc.load_model("models:/demo@champion")
np.save(out, model.predict(np.load(inputs, allow_pickle=False)))
forecaster = model.unwrap_python_model()._forecaster
print(json.dumps(type(forecaster).predict.__code__.co_filename))
"""


def test_champion_loads_in_a_process_without_this_package(store, run_folder, registered, tmp_path):
    # An environment with everything but this project: its .pth files are not followed.
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    scheme = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    site = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    np.save(tmp_path / "inputs.npy", make_inputs())
    out = tmp_path / "out.npy"
    done = subprocess.run(
        [
            *(tmp_path / "venv" / "bin" / "python", "-I", "-c", _LOAD),
            *(store, tmp_path / "inputs.npy", out),
        ],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not json.loads(done.stdout.splitlines()[-1]).startswith(str(Path.cwd() / "met2net"))
    checkpoint = load_checkpoint(run_folder / "models" / "met2net" / "model.safetensors")
    expected = Forecaster(checkpoint).predict(make_inputs())
    # Another process may run with other numbers of threads: sums in another order.
    np.testing.assert_allclose(np.load(out), expected, rtol=1e-5, atol=5e-5)


def test_second_version_is_challenger_until_promoted_and_all_is_recorded(store, run_folder):
    assert register_demo(store, run_folder, "aliases") == "1"
    second = register_demo(store, run_folder, "aliases", tags=make_tags("e" * 16))
    third = register_demo(store, run_folder, "aliases", tags=make_tags("d" * 16))
    client = mlflow.MlflowClient(tracking_uri=store)
    assert client.get_registered_model("aliases").aliases == {"champion": 1, "challenger": 3}
    promote("aliases", third, tracking_uri=store, reason="better by 5 %")
    promote("aliases", third, tracking_uri=store, reason="again")
    assert client.get_registered_model("aliases").aliases == {"champion": 3}
    changes = alias_history("aliases", tracking_uri=store)
    assert [(c.alias, c.version, c.previous) for c in changes] == [
        ("champion", "1", None),
        ("challenger", "2", None),
        ("challenger", "3", "2"),
        ("champion", "3", "1"),
        ("challenger", None, "3"),
    ]
    assert changes[3].reason == "better by 5 %"
    # Registered once more, an older version takes no alias back.
    assert register_demo(store, run_folder, "aliases", tags=make_tags("e" * 16)) == second
    assert client.get_registered_model("aliases").aliases == {"champion": 3}


def test_a_crash_between_record_and_alias_is_mended_by_registering_again(
    store, run_folder, monkeypatch
):
    def crash(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", crash)
        with pytest.raises(KeyboardInterrupt):
            register_demo(store, run_folder, "crash")
    client = mlflow.MlflowClient(tracking_uri=store)
    assert client.get_registered_model("crash").aliases == {}
    register_demo(store, run_folder, "crash")
    assert client.get_registered_model("crash").aliases == {"champion": 1}
    assert len(alias_history("crash", tracking_uri=store)) == 1


def test_versions_stay_beside_their_runs_whatever_the_environment_says(
    store, run_folder, tmp_path, monkeypatch
):
    elsewhere = tmp_path / "elsewhere.db"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{elsewhere}")
    version = register_demo(store, run_folder, "together")
    assert not elsewhere.exists()
    fetched = fetch_checkpoint("together", version, tracking_uri=store, out=tmp_path / "m")
    assert fetched.stat().st_size > 0
    assert os.environ["MLFLOW_REGISTRY_URI"] == f"sqlite:///{elsewhere}"
    monkeypatch.delenv("MLFLOW_REGISTRY_URI")
    client = mlflow.MlflowClient(tracking_uri=store)
    assert client.get_model_version("together", version).run_id
    assert client.get_registered_model("together").aliases == {"champion": 1}


def test_each_version_runs_its_own_code_in_one_process(store, run_folder, tmp_path):
    register_demo(store, run_folder, "own_code")
    client = mlflow.MlflowClient(tracking_uri=store)
    location = client.get_model_version_download_uri("own_code", "1").removeprefix("file://")
    folders = [tmp_path / "first", tmp_path / "second"]
    for number, folder in enumerate(folders, start=1):
        shutil.copytree(location, folder)
        code = folder / "code" / "met2net" / "forecast.py"
        text = code.read_text()
        changed = text.replace("np.asarray(physical.numpy()", f"{number} + 0 * np.asarray(physical")
        assert changed != text
        code.write_text(changed)
    before = {name: module for name, module in sys.modules.items() if "met2net" in name}
    path = list(sys.path)
    models = [mlflow.pyfunc.load_model(str(folder)) for folder in folders]
    found = [float(model.predict(make_inputs()).max()) for model in (*models, *models)]
    assert found == [1.0, 2.0, 1.0, 2.0]
    after = {name: module for name, module in sys.modules.items() if "met2net" in name}
    assert {name: after[name] for name in before} == before
    sys.path[:] = path  # MLflow leaves the folders there


def test_unusable_arguments_are_refused(store, run_folder):
    with pytest.raises(DataError, match="tags lack protocol; found: archive_snapshot"):
        tags = {k: v for k, v in make_tags().items() if k != "protocol"}
        register_demo(store, run_folder, "refused", tags=tags)
    with pytest.raises(DataError, match="no scores for network 'persistence'; found: met2net, tau"):
        register_demo(store, run_folder, "refused", model="persistence")
    with pytest.raises(DataError, match=r"example has shape \(2, 2, 3, 8, 9\); expected"):
        register_demo(store, run_folder, "refused", example=make_inputs()[..., :-1])


def test_tracking_a_run_twice_gives_the_same_runs_and_points(store, run_folder):
    arguments = {
        "tracking_uri": store,
        "experiment": "demo run",
        "fingerprint": "a" * 16,
        "settings": {"model": {"latent_dim": 16, "variables": ["t2m"]}, "long": "x" * 9000},
        "tags": {"git_commit": "abc123"},
    }
    run = RunFolder(run_folder)
    parent = track_run(run, **arguments)
    client = mlflow.MlflowClient(tracking_uri=store)
    client.update_run(parent, status="RUNNING")  # as after a crash near the end
    assert track_run(run, **arguments) == parent
    assert track_run(run, **arguments) == parent
    runs = client.search_runs([open_experiment(store, "demo run")])
    assert sorted(run.info.run_name for run in runs) == [
        "analyze", "demo run", "score anomaly_persistence", "score climatology", "score met2net",
        "score persistence", "score tau", "train met2net", "train tau",
    ]  # fmt: skip
    by_name = {run.info.run_name: run for run in runs}
    assert {run.info.status for run in runs} == {"FINISHED"}
    params = by_name["demo run"].data.params
    assert params["model.latent_dim"] == "16" and len(params["long"]) == 6000
    assert by_name["train tau"].data.tags["mlflow.parentRunId"] == parent
    curve = client.get_metric_history(by_name["train tau"].info.run_id, "val_rmse")
    assert [(p.step, p.value) for p in curve] == [(e, 0.5 / (e + 1)) for e in range(5)]
    leads = client.get_metric_history(
        by_name["score met2net"].info.run_id, "test/rmse/area/t2m"
    )  # by hand: 0.1 of the std 14 K at 1 h, growing as the square root of the lead time
    np.testing.assert_allclose([p.value for p in leads], 1.4 * np.sqrt([1, 2, 3, 6]))
    assert "test/acc/area/t2m" not in by_name["score climatology"].data.metrics
    files = {item.path for item in client.list_artifacts(parent)}
    assert "scores.nc" in files


def test_other_scores_make_another_run_and_a_newer_report_takes_the_older_one_s_place(
    store, run_folder, tmp_path
):
    run = RunFolder(tmp_path / "run")
    shutil.copytree(run_folder, run.path, symlinks=True)
    arguments = {"tracking_uri": store, "experiment": "rescored", "fingerprint": "b" * 16,
                 "settings": {"seed": 0}, "tags": {}}  # fmt: skip
    client = mlflow.MlflowClient(tracking_uri=store)

    def report(run_id):
        path = client.download_artifacts(run_id, "report.html", str(tmp_path))
        return Path(path).read_text()

    for result in ("scores", "report"):
        with run.making(result, "first"):
            run.report.write_text("first page")
    first = track_run(run, **arguments)
    with run.making("report", "second"):
        run.report.write_text("second page")
    assert track_run(run, **arguments) == first
    assert report(first) == "second page"
    with run.making("scores", "second"):
        pass
    second = track_run(run, **arguments)
    assert second != first and report(first) == "second page"
    assert track_run(run, **arguments) == second


def test_weights_or_scores_that_changed_make_another_version(store, run_folder, tmp_path):
    scored, rescored = (make_tags() | {"scores_fingerprint": name} for name in ("a", "b"))
    first = register_demo(store, run_folder, "twice", tags=scored)
    assert register_demo(store, run_folder, "twice", tags=scored) == first
    second = register_demo(store, run_folder, "twice", tags=rescored)
    assert second != first
    checkpoint = tmp_path / "met2net" / "model.safetensors"
    save_checkpoint(checkpoint, make_checkpoint())  # other random weights
    third = register_demo(store, run_folder, "twice", tags=scored, checkpoint=checkpoint)
    assert third not in (first, second)


def test_artifacts_lie_beside_the_database(store):
    client = mlflow.MlflowClient(tracking_uri=store)
    location = client.get_experiment(open_experiment(store, "a b/c")).artifact_location
    assert location == (Path(store.removeprefix("sqlite:///")).parent / "artifacts/a_b_c").as_uri()


def test_a_deleted_experiment_is_refused(store):
    client = mlflow.MlflowClient(tracking_uri=store)
    client.delete_experiment(open_experiment(store, "gone"))
    with pytest.raises(DataError, match="experiment 'gone' is deleted in MLflow; expected active"):
        open_experiment(store, "gone")


def test_a_registered_model_lies_beside_the_database(store, registered):
    artifacts = Path(store.removeprefix("sqlite:///")).parent / "artifacts" / "registry"
    assert Path(registered).is_relative_to(artifacts)
