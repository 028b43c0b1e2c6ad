"""Runs in MLflow, and what all use of MLflow here goes through.

Gives: `runs` (a run folder as MLflow runs), `mlflow_quiet` (import `mlflow` from it),
`store_lock`, `moved_workspace`.
Needs: `evaluation`, `training`.
"""
