import pytest

from pipelines.evaluation.protocol import Protocol


def test_only_the_clean_protocol_is_clean():
    assert Protocol().is_clean
    assert not Protocol("paper", rmse_batch_size=16, own_statistics=True).is_clean


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "papr"}, "protocol is 'papr'; expected one of: clean, paper, released"),
        ({"own_statistics": True}, "protocol clean has own_statistics"),
        ({"rmse_batch_size": 16}, "protocol clean has own_statistics or rmse_batch_size"),
        ({"name": "paper", "rmse_batch_size": 0}, "rmse_batch_size is 0; expected at least 1"),
    ],
)
def test_impossible_terms_are_refused(settings: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        Protocol(**settings)
