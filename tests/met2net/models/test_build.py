import pytest

from met2net.models.baselines.metaformer import TAU, MetaFormer
from met2net.models.baselines.per_variable import PerVariable
from met2net.models.build import build, find_class
from met2net.models.met2net import Met2Net
from met2net.models.own_classes import dotted_name
from met2net.models.reference_frame import ReferenceFrame
from met2net.training.objective import EndToEnd
from met2net.training.two_stage import TwoStage
from pipelines.fingerprint import fingerprint
from tests.met2net.models.model_builders import MET2NET_SETTINGS, SIZES, VARIABLES

TAU_NODE = {
    "_target_": "met2net.models.baselines.metaformer.TAU",
    "_partial_": True,
    "num_inputs": 2,
    "num_targets": 3,
    **SIZES,
}


def test_a_node_becomes_its_class():
    network = build(MET2NET_SETTINGS)
    assert isinstance(network, Met2Net)
    assert network.num_targets == 2


@pytest.mark.parametrize(
    "name", ["convnext.ConvNeXt", "hornet.HorNet", "moganet.MogaNet", "poolformer.PoolFormer",
             "simvpv2.SimVPv2", "tau.TAU"],
)  # fmt: skip
def test_classes_that_moved_are_found_by_the_names_that_files_of_before_give(name):
    old, new = f"met2net.models.baselines.{name}", name.partition(".")[2]
    found = find_class(old)
    assert (found.__name__, found.__module__) == (new, MetaFormer.__module__)
    node = TAU_NODE | {"_target_": old, "_partial_": False, "variables": VARIABLES}
    network = build(node)
    present = build(node | {"_target_": dotted_name(found)})
    assert type(network) is found
    assert list(network.state_dict()) == list(present.state_dict())
    assert fingerprint(node) == fingerprint(node | {"_target_": dotted_name(found)})


def test_the_objective_that_moved_is_found_by_the_name_that_jobs_of_before_give():
    old = {"_target_": "met2net.training.objective.TwoStage", "translator_momentum": 0.5}
    objective = build(old)
    assert type(objective) is TwoStage and objective.translator_momentum == 0.5
    assert fingerprint(old) == fingerprint(old | {"_target_": dotted_name(TwoStage)})


def test_inner_nodes_are_built_first():
    per_variable = {
        "_target_": "met2net.models.baselines.per_variable.PerVariable",
        "_partial_": True,
        "forecaster": TAU_NODE,
    }
    network = build(
        {
            "_target_": "met2net.models.reference_frame.ReferenceFrame",
            "variables": VARIABLES,
            "forecaster": per_variable,
        }
    )
    assert isinstance(network, ReferenceFrame)
    assert isinstance(network.forecaster, PerVariable)
    assert isinstance(network.forecaster.forecasters[1], TAU)
    assert network.forecaster.forecasters[1].num_targets == 3


def test_objectives_are_built_too():
    objective = build({"_target_": "met2net.training.objective.EndToEnd", "temperature": 0.2})
    assert isinstance(objective, EndToEnd)
    assert objective.temperature == 0.2


def test_settings_are_not_changed():
    before = dict(TAU_NODE)
    build(TAU_NODE)
    assert before == TAU_NODE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "settings have no _target_; found: nothing"),
        ({"_target_": 3}, "_target_ is 3; expected a class inside met2net.models"),
        ({"_target_": "os.system"}, "_target_ is 'os.system'; expected a class inside"),
        ({"_target_": "met2net.models.evil.Evil"}, "there is no module 'met2net.models.evil'"),
        ({"_target_": "met2net.models.met2net.Nothing"}, "defines no class 'Nothing'"),
        ({"_target_": "met2net.models.met2net.torch"}, "defines no class 'torch'"),
        ({"_target_": "met2net.models.met2net.Encoders"}, "defines no class 'Encoders'"),
        ({"_target_": "met2net.models.build.build"}, "defines no class 'build'"),
        ({**TAU_NODE, "_partial_": "yes"}, "_partial_ is 'yes'; expected true or false"),
        ({**TAU_NODE, "depth": 3}, "arguments of TAU do not fit .unknown: depth.; found: num_"),
        ({**TAU_NODE, "_partial_": False}, "missing: variables.*expected: variables, num_inputs"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build(settings)
