"""Registered models: versions that load anywhere, and their aliases.

Gives: `register`, `aliases` (champion, challenger, rollback), `versions`, `prune`, `model_card`.
Needs: `tracking`, `evaluation`.
"""
