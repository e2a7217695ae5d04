"""What a visit costs, who pays it, and that it was paid: charges, bills, cash, transfers, receipts. The cashier's desk.

Speaks FHIR R4 ChargeItem, Invoice and PaymentReconciliation, VietQR (TCVN 03:2018, EMVCo merchant-presented), and the
signed webhook of a bank.
"""
