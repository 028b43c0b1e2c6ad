"""A Climate Data Store on this machine, for tests: the protocol, deterministic fields, faults."""
