"""Stages of the pipeline: settings and paths in, a path out. Callable from plain Python."""
