"""Claim files that other systems exported, taken into the record: each HOSO becomes a visit of its person.

For insurance officers and administrators. What a claim says becomes the facts that a claim of ours is filled from, so
that record, file and record again say the same.
"""
