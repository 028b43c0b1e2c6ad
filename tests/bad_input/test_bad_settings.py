"""Configurations and overrides of every wrong kind: settings, or one line; nothing written."""

import copy
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.settings import backfill as backfill_settings
from flows.settings import config
from flows.settings import forecast as forecast_settings
from flows.settings import monthly as monthly_settings
from flows.settings.compose import resolve
from flows.settings.config_error import ConfigError
from flows.studies import study
from pipelines.errors import DataError
from tests.bad_input.refusals import assert_explained, generated, tree

LOADERS: dict[str, tuple[Any, Callable[..., object], str, list[str]]] = {
    "experiment": (config, config.load_experiment, "full_experiment", ["experiment=demo"]),
    "backfill": (backfill_settings, backfill_settings.load_backfill, "backfill", []),
    "forecast": (forecast_settings, forecast_settings.load_forecast, "forecast", []),
    "monthly": (monthly_settings, monthly_settings.load_monthly, "monthly_retrain",
                ["experiment=mumbai_monthly"]),
    "study": (study, study.load_study, "full_experiment", ["experiment=table1"]),
}  # fmt: skip
_REMOVED = "<removed>"
VALUES = (_REMOVED, None, -1, 0, 1, 1e30, float("nan"), float("inf"), "x", "", [], {}, True,
          "\0", "y" * 5000, "2020-13", [1, "a"], -0.5, "ü\n\tz", {"a": 1}, "1/2",
          {"_target_": "os.system", "command": "true"})  # fmt: skip
OVERRIDE_VALUES = ("", "null", "-1", "0", "1e999", "nan", "[", "]", "{", "{}", "[]", "'", "a b",
                   "a=b", "${nothing}", "${oc.env:NOT_SET}", "${", "\\", "x,y", "???", "\0",
                   "é", "{_target_: os.system}", "1" * 400, "true", "../../etc/passwd")  # fmt: skip
KEYS = ("seed", "source", "experiment", "data", "data.window.num_inputs", "data.splits.test.end",
        "training.max_epochs", "models.met2net.network.latent_dim", "nothing", "training",
        "+new.key", "~data", "~seed", "++trainer.devices", "", ".", "a..b", "=", "hydra.mode",
        "/etc", "x" * 300, "trainer.memory_limit", "model@models.met2net")  # fmt: skip


@cache
def plain_settings(loader: str) -> dict[str, Any]:
    """Compose the settings that a flow has when nothing is wrong; done once a flow."""
    _, _, name, overrides = LOADERS[loader]
    return resolve(overrides, config=name)


def places(node: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give every place in nested settings."""
    listed = node if isinstance(node, list) else ()
    for key, value in node.items() if isinstance(node, dict) else enumerate(listed):
        yield (*path, key)
        yield from places(value, (*path, key))


def spoiled(plain: dict[str, Any], place: tuple[Any, ...], value: object) -> dict[str, Any]:
    """Put a wrong value at a place."""
    changed = copy.deepcopy(plain)
    node: Any = changed
    for key in place[:-1]:
        node = node[key]
    if value is _REMOVED:
        del node[place[-1]]
    else:
        node[place[-1]] = copy.deepcopy(value)
    return changed


@pytest.mark.parametrize("loader", LOADERS)
@generated(50)
@given(number=st.integers(0, 10_000), value=st.sampled_from(VALUES))
def test_any_value_at_any_place_is_taken_or_explained(
    tmp_path: Path, loader: str, number: int, value: object
) -> None:
    module, load, _, _ = LOADERS[loader]
    plain = plain_settings(loader)
    everywhere = list(places(plain))
    settings = spoiled(plain, everywhere[number % len(everywhere)], value)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for user in (config, module):
            patch.setattr(user, "resolve", lambda *a, **k: copy.deepcopy(settings))
        try:
            load([])
        except DataError as error:
            assert_explained(error)
    assert tree(tmp_path) == {}


@generated(25)
@given(key=st.sampled_from(KEYS), value=st.sampled_from(OVERRIDE_VALUES), bare=st.booleans())
def test_any_override_is_taken_or_explained(
    tmp_path: Path, key: str, value: str, bare: bool
) -> None:
    override = key if bare and value == "" else f"{key}={value}"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        try:
            config.load_experiment([override])
        except DataError as error:
            assert_explained(error)
    assert tree(tmp_path) == {}


def test_a_network_that_cannot_be_built_is_refused_before_anything_is_fetched() -> None:
    for value, words in (
        ("-8", "network: .*(latent_dim|negative|positive|Expected)"),
        ("x", "network.latent_dim is 'x'; expected a whole number"),
    ):
        with pytest.raises(ConfigError, match=f"models.met2net.{words}"):
            config.load_experiment([f"models.met2net.network.latent_dim={value}"])
