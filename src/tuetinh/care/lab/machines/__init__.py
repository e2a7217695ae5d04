"""The laboratory's machines: what they send and ask, over HL7 v2, ASTM (LIS1-A, LIS2-A2) and files.

A machine's model is a description in `data/drivers`; what arrives is kept in the inbox before it is answered.
"""
