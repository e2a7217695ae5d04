"""Health insurance: card check, who pays what, the claim file of a visit. Reception, cashier, claims desk.

Speaks the gateway API of the social insurance (CV 1245, CV 1923/BHXH-CNTT), the XML of QĐ 4750 and 3176/QĐ-BYT, and
FHIR R4 Coverage, CoverageEligibilityRequest and CoverageEligibilityResponse.
"""
