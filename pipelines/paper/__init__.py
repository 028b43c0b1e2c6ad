"""The paper's tables: its numbers as data, and the cells that stand beside ours.

Gives: `published_scores`, `cells`.
Needs: nothing but the top of `pipelines`.
"""
