"""The laboratory, at the technician's desk: orders and tubes, results from analysers and by hand, validation, release.

Speaks HL7 v2 (ORU, OUL, ACK) over MLLP; its facts are ServiceRequest, Specimen, Observation and DiagnosticReport, in
LOINC and UCUM.
"""
