"""Tables and figures of the paper as runs: many trainings, one after the other.

Gives: `study`, and `training`, `counts` that it is made of.
Needs: `console`, `stages`, `settings`.
"""
