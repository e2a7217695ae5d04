"""The laboratory, at the technician's desk: orders and tubes, results from analysers and by hand, validation, release.

Its machines (`machines`) speak HL7 v2 over MLLP, ASTM (LIS1-A, LIS2-A2) over TCP and serial lines, or leave files; its
facts are ServiceRequest, Specimen, Observation and DiagnosticReport, in LOINC and UCUM.
"""
