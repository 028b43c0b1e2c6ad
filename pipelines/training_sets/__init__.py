"""Training sets: normalized fields of one archive snapshot, with splits and statistics.

Gives: `prepare` (build one, or find it built), `settings` (what one is made of), `windows` (those
of a split, and the networks that fit them).
Needs: `archive`.
"""
