"""Who is this person: identifiers, cards, search, likely duplicates, the banner of clinical pages. Reception's desk.

Speaks FHIR R4 Patient with the VN Core profile, the QR texts of the citizen card and of the insurance card.
"""
