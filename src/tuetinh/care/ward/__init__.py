"""The ward: who lies in which bed, moves between departments, days in bed, supplies, medicines that are given.

At the desk of the ward's nurse and doctor. Facts: Encounter (class, location), ChargeItem, MedicationRequest,
MedicationAdministration. The rules of the insurance are asked of each, as in the consulting room.
"""
