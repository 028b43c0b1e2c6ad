import math

from pipelines.evaluation.p_value_text import p_value_text


def test_a_p_value_is_never_written_as_zero():
    assert p_value_text(0.0123) == "0.012"
    assert p_value_text(0.0009) == p_value_text(1e-17) == "< 0.001"
    assert p_value_text(0.001) == "0.001"
    assert p_value_text(math.nan) == "–"
