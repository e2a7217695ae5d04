"""One person who stands in the record twice: merged, and told apart again (Patient `$merge`, `$unmerge`).

A merge moves what names the source to the target, as new versions, in one transaction; a ledger keeps what was moved
and where it named the source, so that the merge can be undone after any later write. `redirect` holds the write path to
it: what names a merged person is stored with the survivor. See docs/decisions/record-merge.md.
"""
