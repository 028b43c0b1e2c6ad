"""The wheel holds the library alone and works where nothing else of this project is."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest
import xarray as xr
from packaging.requirements import Requirement

from tests.met2net.test_public_names import FORECASTING, TRAINING, odd_weather

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("met2net-*.whl")
    return built


def test_the_wheel_holds_the_library_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names}
    assert folders == {"met2net", wheel.name.split("-py3")[0] + ".dist-info"}
    assert "met2net/models/met2net.py" in names


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the wheel and what it declares to need, linked from this one."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False)
    scheme = {"base": str(environment), "platbase": str(environment)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    zipfile.ZipFile(wheel).extractall(site)
    (metadata,) = site.glob("met2net-*.dist-info")
    for needed in required(Distribution.at(metadata)):
        for top in {file.parts[0] for file in needed.files or []} - {".."}:
            if not (site / top).exists():
                (site / top).symlink_to(needed.locate_file(top))
    return environment / "bin" / "python"


def required(wheel: Distribution) -> list[Distribution]:
    """All that a distribution declares to need, and what that needs in turn."""
    found: dict[tuple[str, str], Distribution] = {}
    asked = [(wheel, "")]
    while asked:
        of, extra = asked.pop()
        for requirement in map(Requirement, of.requires or []):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            for wanted in {"", *requirement.extras}:
                if (requirement.name, wanted) not in found:
                    needed = Distribution.from_name(requirement.name)
                    found[requirement.name, wanted] = needed
                    asked.append((needed, wanted))
    return list(found.values())


def run(python: Path, code: str, folder: Path) -> str:
    """Run code there: nothing of this checkout is on the path."""
    ran = subprocess.run(
        [python, "-I", "-W", "error::UserWarning", "-c", code],
        cwd=folder, capture_output=True, text=True, env={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_importing_it_loads_little_and_nothing_of_this_project(
    python: Path, tmp_path: Path
) -> None:
    code = (
        "import importlib.util, sys, met2net\n"
        "print(met2net.__file__, 'torch' in sys.modules, 'xarray' in sys.modules,"
        " *(importlib.util.find_spec(name) for name in ('pipelines', 'prefect', 'hydra')))"
    )
    file, *others = run(python, code, tmp_path).split()
    assert Path(file).is_relative_to(python.parents[1])
    assert others == ["False", "False", "None", "None", "None"]


def test_the_page_trains_scores_saves_and_forecasts_with_the_wheel_alone(
    python: Path, tmp_path: Path
) -> None:
    odd_weather().to_netcdf(tmp_path / "weather.nc", engine="scipy")
    shown = run(python, f"{TRAINING}\n{FORECASTING}", tmp_path)
    assert {"persistence", "climatology", "mine"} <= set(shown.split())
    with xr.open_dataset(tmp_path / "forecast.nc") as forecast:
        assert forecast["2m_temperature"].shape == (1, 2, 4, 5)
        assert forecast["latitude"].values.tolist() == [23.0, 22.0, 21.0, 20.0]
        assert forecast["longitude"].values.tolist() == [290.0, 291.0, 292.0, 293.0, 294.0]
