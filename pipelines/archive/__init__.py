"""The archive: verified months of fields, one commit a month, nothing rewritten unseen.

Gives: `ingest` and `reconcile` (write), `state` (read), `check`, `export`, `expiry`, `history`;
`location` says where one lies.
Needs: `sources`, `fields`.
"""
