"""Prefect's server, MLflow's and a worker on this machine: what `make up` starts.

Gives: `python -m flows.services`, `local` (up, down, status), `process`, `server_setup`.
Needs: `stages`.
"""
