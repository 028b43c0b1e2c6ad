"""Objects that move over a canvas and bounce off its edges, as in Moving MNIST."""

import numpy as np

__all__ = ["STEP", "draw", "trajectories"]

STEP = 0.1
"""Way of an object from frame to frame, as a share of the room it has on the canvas."""


def trajectories(
    rng: np.random.Generator, *, num_objects: int, num_frames: int, room: int
) -> np.ndarray:
    """Let objects move straight on from a random place; an edge turns them back.

    Positions run from 0 to 1 along both axes, and the direction is uniform over the circle. A
    step that would leave the canvas ends on its edge, and the velocity across that edge changes
    sign. The first frame is one step after the random place.
    Source: Srivastava, Mansimov and Salakhutdinov 2015, arXiv:1502.04681, section 4.1.

    Args:
        rng: where randomness comes from.
        num_objects: which move independently.
        num_frames: of the sequence.
        room: pixels between an object at one edge and at the other.

    Returns:
        (object, frame, 2): top row and left column, whole pixels.
    """
    position = rng.random((num_objects, 2))
    angle = 2 * np.pi * rng.random(num_objects)
    velocity = STEP * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    places = np.empty((num_objects, num_frames, 2))
    for frame in range(num_frames):
        position = position + velocity
        velocity = np.where((position <= 0) | (position >= 1), -velocity, velocity)
        position = np.clip(position, 0, 1)
        places[:, frame] = position
    corners: np.ndarray = np.floor(room * places).astype(np.int64)
    return corners


def draw(images: np.ndarray, corners: np.ndarray, *, size: int) -> np.ndarray:
    """Draw images at their places on black; the brighter one wins where two overlap.

    Args:
        images: (object, row, column), uint8.
        corners: (object, frame, 2), see `trajectories`.
        size: rows and columns of the canvas.

    Returns:
        (frame, size, size), uint8.
    """
    canvas = np.zeros((corners.shape[1], size, size), dtype=np.uint8)
    height, width = images.shape[1:]
    for image, places in zip(images, corners, strict=True):
        for frame, (top, left) in zip(canvas, places, strict=True):
            part = frame[top : top + height, left : left + width]
            np.maximum(part, image, out=part)
    return canvas
