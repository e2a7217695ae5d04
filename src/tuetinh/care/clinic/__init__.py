"""The consulting room: vital signs, examination, diagnosis, orders, prescription, end of the visit.

At the doctor's and the nurse's desk. Facts: Observation, ClinicalImpression, Condition, ServiceRequest,
MedicationRequest. Codes by ICD-10 of QĐ 4469/QĐ-BYT with the refusals of TT 06/2026/TT-BYT.
"""
