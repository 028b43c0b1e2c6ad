import numpy as np
import pytest

from pipelines.training_sets.layout import Layout

HOUR = np.timedelta64(1, "h")


def layout(years: int, *, channels: int, grid: tuple[int, int], step: int = 1) -> Layout:
    first, last = (np.datetime64(f"{y}-01-01T00", "h") for y in (2010, 2010 + years))
    times = np.arange(first, last, step * HOUR)
    return Layout.choose(
        (len(times), channels, *grid), times=times, in_train=np.ones(len(times), bool)
    )


@pytest.mark.parametrize(
    ("grid", "hours"),
    [((32, 64), 240), ((64, 128), 192), ((181, 360), 24), ((361, 720), 24), ((721, 1440), 1)],
)
def test_chunks_are_shorter_where_fields_are_large(grid: tuple[int, int], hours: int):
    assert layout(1, channels=5, grid=grid).chunk_hours == hours


def test_chunks_are_longer_where_there_are_many_so_that_all_can_be_mapped():
    long = layout(37, channels=5, grid=(32, 64))
    assert long.chunk_hours % 24 == 0
    assert long.fields[0] / long.chunk_hours <= 512


def test_the_climatology_has_the_slots_that_the_hours_have():
    assert layout(1, channels=5, grid=(32, 64)).climatology == (1, 24, 5, 32, 64)
    assert layout(2, channels=5, grid=(32, 64)).climatology == (366, 24, 5, 32, 64)
    assert layout(2, channels=5, grid=(32, 64), step=6).climatology == (366, 4, 5, 32, 64)


@pytest.mark.parametrize("grid", [(32, 64), (64, 128), (181, 360), (721, 1440)])
def test_chunks_of_the_climatology_divide_it_and_stay_small(grid: tuple[int, int]):
    chosen = layout(3, channels=5, grid=grid)
    channels, rows = chosen.climatology_chunk
    assert 5 % channels == 0 and grid[0] % rows == 0
    size = 366 * 24 * channels * rows * grid[1] * 4
    assert size <= 64 * 2**20 or (channels, rows) == (1, 1)
