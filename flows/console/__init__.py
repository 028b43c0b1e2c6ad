"""Flows for a person at a terminal: commands, names of runs, tables, live progress.

Gives: `run` (a flow with overrides), `run_command` (`prefect run`), `result`,
`acquisition_table`.
Needs: `settings`.
"""
