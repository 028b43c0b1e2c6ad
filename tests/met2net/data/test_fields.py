import os
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from met2net.data.fields import StoredFields, chunk_path, read_frames

SHAPE = (50, 2, 3, 4)


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def array(values: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty hours in chunks of 12, the last one not full."""
    path = tmp_path_factory.mktemp("fields") / "data"
    stored = zarr.create_array(
        path, shape=SHAPE, chunks=(12, 2, 3, 4), dtype="float32", compressors=None, filters=None
    )
    stored[:] = values
    return path


def opened(array: Path, *, mapped: bool) -> StoredFields:
    fields = StoredFields.open(array, memory_limit=2**20 if mapped else 0)
    assert fields.is_mapped == mapped
    return fields


@pytest.mark.parametrize("mapped", [True, False])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.integers(0, 49), max_size=30))
def test_any_rows_in_any_order_are_those_of_the_array(
    array: Path, values: np.ndarray, mapped: bool, rows: list[int]
):
    found = opened(array, mapped=mapped)[np.array(rows, dtype=np.int64)]
    np.testing.assert_array_equal(found, values[np.array(rows, dtype=np.int64)])


@pytest.mark.parametrize("mapped", [True, False])
def test_slices_and_single_hours_read_as_from_an_array(
    array: Path, values: np.ndarray, mapped: bool
):
    fields = opened(array, mapped=mapped)
    for rows in (slice(10, 30), slice(None, None, 7), slice(40, 99), slice(5, 5)):
        np.testing.assert_array_equal(fields[rows], values[rows])
    np.testing.assert_array_equal(fields[13], values[13])
    assert (fields.shape, fields.ndim, len(fields)) == (SHAPE, 4, 50)
    assert fields.nbytes == values.nbytes


def test_only_the_size_decides_whether_fields_are_mapped(array: Path):
    size = 50 * 2 * 3 * 4 * 4
    assert StoredFields.open(array, memory_limit=size).is_mapped
    assert not StoredFields.open(array, memory_limit=size - 1).is_mapped


@pytest.mark.parametrize("kind", ["mapped", "streamed", "array", "tensor"])
def test_frames_are_the_same_wherever_the_fields_are(array: Path, values: np.ndarray, kind: str):
    fields = {
        "mapped": opened(array, mapped=True),
        "streamed": opened(array, mapped=False),
        "array": values,
        "tensor": torch.from_numpy(values),
    }[kind]
    rows = np.array([[11, 12, 13], [0, 5, 49]])
    frames = read_frames(fields, rows)
    assert frames.dtype == torch.float32
    np.testing.assert_array_equal(frames.numpy(), values[rows])


@pytest.mark.parametrize("rows", [[50], [-1, 3]])
def test_hours_outside_the_set_are_refused(array: Path, rows: list[int]):
    with pytest.raises(IndexError, match=r"expected 0 to 49"):
        opened(array, mapped=False)[np.array(rows)]


def test_a_chunk_that_is_cut_off_is_refused(array: Path, tmp_path: Path, values: np.ndarray):
    stored = zarr.create_array(
        tmp_path / "data", shape=SHAPE, chunks=(12, 2, 3, 4), dtype="float32", compressors=None,
        filters=None,
    )  # fmt: skip
    stored[:] = values
    fields = StoredFields.open(tmp_path / "data", memory_limit=0)
    os.truncate(chunk_path(tmp_path / "data", 2), 500)
    with pytest.raises(ValueError, match="c/2/0/0/0 ends 652 bytes early; expected 1152 at 0"):
        fields[24:36]
    for limit in (0, 2**20):
        with pytest.raises(ValueError, match="c/2/0/0/0 has 500 bytes; expected 1152, a whole"):
            StoredFields.open(tmp_path / "data", memory_limit=limit)


@pytest.mark.parametrize(
    "layout",
    [
        {"chunks": (12, 2, 3, 4), "dtype": "float32"},  # compressed, as by default
        {"chunks": (12, 1, 3, 4), "dtype": "float32", "compressors": None, "filters": None},
        {"chunks": (12, 2, 3, 4), "dtype": "float64", "compressors": None, "filters": None},
        {"chunks": (6, 2, 3, 4), "shards": (12, 2, 3, 4), "dtype": "float32", "compressors": None,
         "filters": None},
    ],
)  # fmt: skip
def test_an_array_laid_out_otherwise_is_refused(tmp_path: Path, layout: dict):
    zarr.create_array(tmp_path / "data", shape=SHAPE, **layout)
    with pytest.raises(ValueError, match="expected float32, no compression and whole fields"):
        StoredFields.open(tmp_path / "data", memory_limit=0)


def test_a_mapped_set_is_not_copied_by_opening(array: Path):
    fields = opened(array, mapped=True)
    assert all(not part.flags.owndata for part in fields._maps)
    with pytest.raises(ValueError, match="read-only"):
        fields._maps[0][0] = 0
