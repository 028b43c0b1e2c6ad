"""Every drawing that settings may name can be drawn."""

from pipelines.studies import figures
from pipelines.studies.drawings import DRAWINGS


def test_names_and_functions_are_the_same_ones() -> None:
    assert tuple(figures._DRAW) == DRAWINGS
