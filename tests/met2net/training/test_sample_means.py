import torch

from met2net.training.sample_means import SampleMeans

CPU = torch.device("cpu")


def test_means_are_over_samples_not_over_batches():
    means = SampleMeans()
    means.add({"loss": torch.tensor(1.0)}, num_samples=3)
    means.add({"loss": torch.tensor(5.0), "part": torch.tensor(2.0)}, num_samples=1)
    assert {k: v.item() for k, v in means.means(CPU).items()} == {"loss": 2.0, "part": 2.0}
    means.clear()
    assert means.means(CPU) == {}


def test_a_saved_state_goes_on_to_the_same_bits():
    values = torch.rand(7, generator=torch.Generator().manual_seed(0))
    whole, first = SampleMeans(), SampleMeans()
    for value in values:
        whole.add({"loss": value}, num_samples=3)
    for value in values[:4]:
        first.add({"loss": value}, num_samples=3)
    second = SampleMeans()
    second.continue_from(first.state(CPU))
    for value in values[4:]:
        second.add({"loss": value}, num_samples=3)
    assert torch.equal(second.means(CPU)["loss"], whole.means(CPU)["loss"])


def test_adding_leaves_the_graph_behind():
    means = SampleMeans()
    means.add({"loss": torch.tensor(1.0, requires_grad=True) * 2}, num_samples=1)
    assert not means.means(CPU)["loss"].requires_grad
