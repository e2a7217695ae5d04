"""What every desk picks from: diagnoses, services, medicines, places, peoples, code lists, prices.

For everyone; administrators keep the price lists. Carries ICD-10 of QĐ 4469 with the rules of TT 06/2026, the
techniques of TT 23/2024 with the billable codes of QĐ 7603, the administrative units since 01/07/2025 with the way
from the old ones, and the code lists of the insurance data. Speaks the code systems of VN Core.
"""
