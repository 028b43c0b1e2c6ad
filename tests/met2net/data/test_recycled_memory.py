from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from met2net.data.recycled_memory import RecycledMemory

SHAPE = (4, 3, 2)


def test_memory_is_used_again_when_no_tensor_holds_it():
    allocate = RecycledMemory()
    first = allocate(SHAPE, torch.float32)
    address = first.data_ptr()
    assert allocate(SHAPE, torch.float32).data_ptr() != address
    del first
    again = [allocate(SHAPE, torch.float32) for _ in range(2)]
    assert address in {tensor.data_ptr() for tensor in again}


def test_any_view_keeps_the_memory():
    allocate = RecycledMemory()
    for keep in (
        lambda t: t[1:, 0],
        lambda t: t.numpy()[2:],
        lambda t: t.reshape(-1),
        lambda t: t.detach(),
        lambda t: torch.utils.data.default_convert({"inputs": t}),
    ):
        tensor = allocate(SHAPE, torch.float32)
        address = tensor.data_ptr()
        view = keep(tensor)
        del tensor
        later = [allocate(SHAPE, torch.float32) for _ in range(5)]
        assert address not in {t.data_ptr() for t in later}
        del view


def test_tensors_have_the_shape_and_dtype_asked_for_and_never_overlap():
    allocate = RecycledMemory()
    held: list[tuple[Tensor, int]] = []
    for number in range(200):
        shape = (1 + number % 5, 3, 1 + number % 3)
        dtype = torch.float64 if number % 4 == 0 else torch.float32
        tensor = allocate(shape, dtype)
        assert tensor.shape == shape and tensor.dtype == dtype and tensor.is_contiguous()
        held.append((tensor.fill_(number), number))
        if number % 3 == 0:
            held.pop(len(held) // 2)
        assert all((kept == value).all() for kept, value in held)


def test_threads_never_get_the_same_memory():
    allocate = RecycledMemory()

    def work(number: int) -> bool:
        tensors = [allocate((1000,), torch.float32).fill_(number + i) for i in range(4)]
        return all(bool((t == number + i).all()) for i, t in enumerate(tensors))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(500)))


def test_little_memory_is_kept():
    allocate = RecycledMemory()
    for _ in range(50):
        allocate(SHAPE, torch.float32)
    assert len(allocate._free) == 1
    allocate((100, 100), torch.float32)  # too large for it: it is let go
    assert [memory.nbytes for memory in allocate._free] == [40_000]
