"""One month of the retraining, step by step.

Gives: `retrain_month`, and `stages`, `judge_month`, `register_month`, `pages`, `events` that it
is made of.
Needs: `stages`, `settings`.
"""
