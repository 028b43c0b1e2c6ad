"""JAX that gives the same numbers on any number of cores, and on any x86-64 processor with AVX2.

A sum that several threads share is rounded otherwise than by one, approximate instructions (the
inverse square root) differ between makers, and weather grows from roundings: as JAX comes, two
machines simulate two different months from the same settings.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["start_jax"]

# Read by XLA while it makes its backend and compiles for the first time.
_ENVIRONMENT = {
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_enable_platform_dependent_math=false --xla_cpu_max_isa=AVX2",
}


def start_jax() -> None:
    """Make JAX's backend for the CPU, with one thread; in a process that has one it stays.

    Flags that the user has set in `XLA_FLAGS` stay, and win.
    """
    with _environment():
        import jax

        jax.jit(abs)(1.0).block_until_ready()


@contextmanager
def _environment() -> Iterator[None]:
    """Set the variables, and put back what was there: other libraries read some of them."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    flags = f"{_ENVIRONMENT['XLA_FLAGS']} {before['XLA_FLAGS'] or ''}".strip()
    os.environ.update(_ENVIRONMENT, XLA_FLAGS=flags)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
