"""Conditions and formulas that people write as data, for the administrators of every module's rules.

Speaks CEL (Common Expression Language): no loops but over lists at hand, nothing within reach that it is not given.
"""
