"""The wheel holds the library alone and works where nothing else of this project is."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

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


def test_the_wheel_imports_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    scheme = {"base": str(environment), "platbase": str(environment)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    # Third-party packages come from this environment as a plain folder on the path: the
    # editable installation of this checkout stays out, for .pth files there are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        "import met2net, met2net.forecast, met2net.models.met2net, met2net.training.module\n"
        "import importlib.util\n"
        "print(met2net.__file__, importlib.util.find_spec('pipelines'))"
    )
    python = environment / "bin" / "python"
    ran = subprocess.run(
        [python, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith(str(site))
    assert ran.stdout.strip().endswith("None")
