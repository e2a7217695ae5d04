"""The health record: FHIR R4 types, validation, storage, search, history, bundles and the `/fhir` door.

Ground floor of the house. Knows nothing of Vietnam nor of any module above. Speaks HL7 FHIR R4 (4.0.1).
"""
