import numpy as np
import pytest

from pipelines.image_sequences.generated import GeneratedSequences

VARIABLES = {"flow": ("inflow", "outflow")}


def test_discs_move_and_differ_by_channel():
    source = GeneratedSequences(VARIABLES, num_inputs=4, num_targets=4, image_size=16)
    reader = source.open({"train": 3, "test": 2})
    frames = reader.read("train", range(3))
    assert frames.shape == (3, 8, 2, 16, 16) and reader.channels == ("inflow", "outflow")
    assert 0 <= frames.min() < frames.max() <= 1
    assert not np.array_equal(frames[:, 0], frames[:, -1])
    assert not np.array_equal(frames[:, :, 0], frames[:, :, 1])
    np.testing.assert_array_equal(reader.read("train", range(1, 3)), frames[1:])
    assert source.files() == source.files()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_inputs": 20}, "found 24 frames; expected 7 to 23"),
        ({"image_size": 3}, "image_size is 3; expected at least 4"),
        ({"seed": -1}, "seed is -1; expected at least 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        GeneratedSequences(VARIABLES, **{"num_inputs": 4, "num_targets": 4} | settings)
