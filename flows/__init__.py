"""Prefect flows and Hydra configuration: the thin layer people start."""
