"""From a list of overrides to checked settings, and wrong ones in one line.

Gives: `compose` (Hydra), `config` (of an experiment), a file a flow for the others,
`safe_instantiate`.
Needs: no other room.
"""
