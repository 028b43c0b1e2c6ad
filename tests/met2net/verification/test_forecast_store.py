import numpy as np
import pytest
import torch
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.verification.forecast_store import ForecastStoreWriter, write_forecasts

GRID = Grid((20.0, 19.0), (70.0, 71.0, 72.0))
NORMALIZER = Normalizer(("t2m", "r850"), (290.0, 60.0), (10.0, 20.0))
LEADS = (1, 6)
INIT = 420_000 + np.arange(0, 600, 6)  # hours since 1970


def _predictions(num=100):
    return torch.randn(num, 2, 2, 2, 3, generator=torch.Generator().manual_seed(0))


def _write(path, *, cuts=(), init=INIT):
    parts = np.split(np.arange(len(init)), cuts)
    predictions = _predictions(len(init))
    return write_forecasts(
        path, ((init[part], predictions[part]) for part in parts), lead_hours=LEADS, grid=GRID,
        normalizer=NORMALIZER, units=["K", "%"], attrs={"institution": "none"},
    )  # fmt: skip


def test_xarray_reads_times_units_and_physical_values(tmp_path):
    path = _write(tmp_path / "f.zarr", cuts=(7, 70))
    with xr.open_zarr(path, chunks=None) as store:
        assert set(store.data_vars) == {"2m_temperature", "r850"}
        t2m = store["2m_temperature"]
        assert t2m.dims == ("init_time", "lead_time", "latitude", "longitude")
        assert t2m.dtype == np.float32 and t2m.attrs["units"] == "K"
        assert t2m.attrs["standard_name"] == "air_temperature"
        assert store["r850"].attrs["level"] == "850 hPa"
        expected = NORMALIZER.denormalize(_predictions().double()).float()
        np.testing.assert_array_equal(t2m, expected[:, :, 0])
        np.testing.assert_array_equal(store["r850"], expected[:, :, 1])
        times = INIT.astype("datetime64[h]")
        np.testing.assert_array_equal(store["init_time"], times)
        assert store["init_time"].attrs["standard_name"] == "forecast_reference_time"
        hours = np.array(LEADS, "timedelta64[h]")
        np.testing.assert_array_equal(store["lead_time"], hours)
        np.testing.assert_array_equal(store["valid_time"], times[:, None] + hours)
        assert store.attrs["Conventions"] == "CF-1.11" and store.attrs["institution"] == "none"
        assert store["latitude"].attrs["units"] == "degrees_north"


def test_batches_of_any_size_give_the_same_store(tmp_path):
    whole, parts = _write(tmp_path / "a.zarr"), _write(tmp_path / "b.zarr", cuts=(1, 2, 50, 99))
    with xr.open_zarr(whole, chunks=None) as one, xr.open_zarr(parts, chunks=None) as other:
        for store in (one, other):
            assert store.attrs.pop("history")  # when it was written
        xr.testing.assert_identical(one.load(), other.load())


def test_the_scores_package_reads_it(tmp_path):
    from scores.continuous import rmse

    with xr.open_zarr(_write(tmp_path / "f.zarr"), chunks=None) as store:
        found = rmse(store["r850"], store["r850"] - 2, preserve_dims="lead_time")
        np.testing.assert_allclose(found, 2.0, rtol=1e-6)


def test_a_store_is_whole_or_not_there_and_replaces_the_one_before(tmp_path):
    path = tmp_path / "f.zarr"
    _write(path, init=INIT[:3])
    with pytest.raises(RuntimeError, match="power cut"):
        with ForecastStoreWriter(
            path, lead_hours=LEADS, grid=GRID, normalizer=NORMALIZER, units=["K", "%"], attrs={}
        ) as writer:
            writer.add(INIT, _predictions())
            raise RuntimeError("power cut")
    assert [entry.name for entry in tmp_path.iterdir()] == ["f.zarr"]
    with xr.open_zarr(path, chunks=None) as store:
        assert store.sizes["init_time"] == 3
    _write(path)
    with xr.open_zarr(path, chunks=None) as store:
        assert store.sizes["init_time"] == len(INIT)


def test_wrong_forecasts_are_refused(tmp_path):
    with pytest.raises(ValueError, match="init times do not increase"):
        _write(tmp_path / "f.zarr", init=INIT[::-1])
    with pytest.raises(ValueError, match="no forecasts to write"):
        write_forecasts(
            tmp_path / "f.zarr", [], lead_hours=LEADS, grid=GRID, normalizer=NORMALIZER,
            units=["K", "%"], attrs={},
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
