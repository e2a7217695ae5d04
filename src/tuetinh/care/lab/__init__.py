"""The laboratory, at the technician's desk: orders and tubes, results from analysers and by hand, validation, release.

Speaks HL7 v2 over MLLP and ASTM (LIS1-A, LIS2-A2) over TCP and serial lines with its `machines`, and reads their files; its facts are ServiceRequest, Specimen, Observation and DiagnosticReport, in
LOINC and UCUM.
"""
