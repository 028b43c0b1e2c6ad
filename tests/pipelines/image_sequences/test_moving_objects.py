import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.image_sequences.moving_objects import STEP, draw, trajectories


class Fixed:
    """A generator that gives chosen numbers."""

    def __init__(self, *numbers: np.ndarray) -> None:
        self.numbers = list(numbers)

    def random(self, size: object) -> np.ndarray:
        return self.numbers.pop(0)


def test_an_object_turns_back_at_the_edge():
    """From column 0.85 to the right: 0.95, the edge, and back; the row stays."""
    rng = Fixed(np.array([[0.5, 0.85]]), np.array([0.0]))
    corners = trajectories(rng, num_objects=1, num_frames=5, room=100)
    assert corners[0].tolist() == [[50, 95], [50, 100], [50, 90], [50, 80], [50, 70]]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), num_objects=st.integers(1, 3), room=st.integers(1, 36))
def test_objects_stay_on_the_canvas_and_move_a_step_at_most(seed: int, num_objects: int, room: int):
    corners = trajectories(
        np.random.default_rng(seed), num_objects=num_objects, num_frames=20, room=room
    )
    assert corners.shape == (num_objects, 20, 2)
    assert corners.min() >= 0 and corners.max() <= room
    ways = np.hypot(*np.moveaxis(np.diff(corners, axis=1), -1, 0))
    assert ways.max() <= STEP * room + np.sqrt(2)  # whole pixels


def test_the_brighter_object_wins_where_two_overlap():
    images = np.array([[[9, 9]], [[5, 5]]], dtype=np.uint8)  # one row of two pixels each
    corners = np.array([[[0, 0], [2, 0]], [[0, 1], [0, 1]]])
    frames = draw(images, corners, size=3)
    assert frames[0].tolist() == [[9, 9, 5], [0, 0, 0], [0, 0, 0]]
    assert frames[1].tolist() == [[0, 5, 5], [0, 0, 0], [9, 9, 0]]
