"""How charges, invoices and payments look in FHIR. Builders and readers, the one place that knows."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.api import (
    COPAY,
    COST_GROUP,
    OUT_OF_LEVEL,
    PRICE_PARTS,
    REGISTRATION,
    TENDER,
    Split,
    SplitLine,
)
from tuetinh.commons.catalogues.api import PriceRow
from tuetinh.record import r4

BILL_CODE: Final = "https://tuetinh.vn/fhir/sid/bill"
ENCOUNTER: Final = "https://tuetinh.vn/fhir/sid/encounter"
RECEIPT: Final = "https://tuetinh.vn/fhir/sid/receipt"
TRANSACTION: Final = "https://tuetinh.vn/fhir/sid/bank-transaction"
IN_BED: Final = "15"  # MA_NHOM of a day in bed
WHOLE: Final = 100  # percent: a visit in level
METHODS: Final = "https://tuetinh.vn/fhir/CodeSystem/payment-method"


def charge_item(
    encounter: r4.Encounter,
    concept: r4.CodeableConcept,
    quantity: Decimal,
    price: PriceRow,
    *,
    id_: str,
    now: str,
    source: r4.Reference | None,
    unit: str,
) -> r4.ChargeItem:
    """Build a charged line; its price, registration and tender are those of the day on which it was charged."""
    group = IN_BED if price.kind == "bed" else ""
    product = ((REGISTRATION, price.registration), (TENDER, price.tender), (COST_GROUP, group))
    return r4.ChargeItem(
        extension=[r4.Extension(url=url, valueString=value) for url, value in product if value] or None,
        id=id_,
        status="billable",
        code=concept,
        subject=encounter.subject,
        context=r4.Reference(reference=f"Encounter/{encounter.id}"),
        occurrenceDateTime=now,
        enteredDate=now,
        performingOrganization=encounter.serviceProvider,
        quantity=r4.Quantity(value=quantity, unit=unit or None),
        priceOverride=vnd(price.amount),
        overrideReason="Giá áp dụng của cơ sở tại ngày chỉ định",
        supportingInformation=[source] if source else None,
    )


def invoice(
    charges: list[r4.ChargeItem],
    split: Split,
    *,
    id_: str,
    code: str,
    encounter: r4.Encounter,
    now: str,
    balanced: bool,
) -> r4.Invoice:
    """Build the invoice of a visit: its lines, each with what fund, co-payment, patient and other sources pay."""
    pairs = zip(charges, split.lines, strict=True)
    return r4.Invoice(
        id=id_,
        identifier=[r4.Identifier(system=BILL_CODE, value=code), r4.Identifier(system=ENCOUNTER, value=encounter.id)],
        status="balanced" if balanced else "issued",
        subject=encounter.subject,
        date=now,
        issuer=encounter.serviceProvider,
        lineItem=[
            r4.InvoiceLineItem(
                sequence=n,
                chargeItemReference=r4.Reference(reference=f"ChargeItem/{item.id}"),
                priceComponent=_parts(line),
            )
            for n, (item, line) in enumerate(pairs, 1)
        ]
        or None,  # every charge was taken back
        totalPriceComponent=_parts(split, in_level=split.share == WHOLE),
        totalNet=vnd(split.due),
        totalGross=vnd(split.total),
    )


def reconciliation(
    *,
    id_: str,
    receipt: str,
    amount: Decimal,
    invoice: str,
    now: str,
    facility: str,
    method: str,
    transaction: str = "",
    reason: str = "",
) -> r4.PaymentReconciliation:
    """Build the fact of a payment, or of money given back when the amount is negative.

    receipt: number of the paper; transaction: the bank's number of a transfer; reason: why it was given back.
    """
    kind = "payment" if amount > 0 else "adjustment"
    detail = r4.PaymentReconciliationDetail(
        type=_concept("http://terminology.hl7.org/CodeSystem/payment-type", kind),
        request=r4.Reference(reference=f"Invoice/{invoice}"),
        amount=vnd(amount),
    )
    return r4.PaymentReconciliation(
        id=id_,
        identifier=[r4.Identifier(system=RECEIPT, value=receipt)],
        status="active",
        created=now,
        requestor=r4.Reference(reference=f"Organization/{facility}") if facility else None,
        outcome="complete",
        disposition=reason or None,
        paymentDate=now[:10],
        paymentAmount=vnd(amount),
        paymentIdentifier=r4.Identifier(system=TRANSACTION, value=transaction) if transaction else None,
        detail=[detail],
        formCode=_concept(METHODS, method),
    )


def vnd(amount: Decimal) -> r4.Money:
    """An amount of đồng."""
    return r4.Money(value=amount, currency="VND")


def _parts(of: Split | SplitLine, *, in_level: bool = True) -> list[r4.InvoiceLineItemPriceComponent]:
    """Who pays what. in_level: whether the co-payment counts for the limit of the year."""
    together = (COPAY,) if in_level else (COPAY, OUT_OF_LEVEL)
    amounts = ((("fund",), of.fund), (together, of.copay), (("patient",), of.patient), (("other",), of.other))
    base = [r4.InvoiceLineItemPriceComponent(type="base", amount=vnd(of.total))]
    return base + [
        r4.InvoiceLineItemPriceComponent(type="informational", code=_concept(PRICE_PARTS, *names), amount=vnd(amount))
        for names, amount in amounts
        if amount
    ]


def _concept(system: str, *codes: str) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code) for code in codes])
