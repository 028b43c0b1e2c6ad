"""Tables and figures of the paper, from the finished parts of a study.

Gives: `parts` (what was scored), `table`, `figures`, `costs`, `results_page`, `tracking`.
Needs: `figures`, `paper`, `tracking`, `evaluation`, `training`, `maps`.
"""
