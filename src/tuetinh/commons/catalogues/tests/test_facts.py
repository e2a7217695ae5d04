from __future__ import annotations

from tuetinh.commons.catalogues import api


def test_an_address_carries_the_codes_of_vn_core() -> None:
    address = api.address("Bản Nà Phát", api.commune("03618"))
    assert address.text == "Bản Nà Phát, Xã Mường Than, Tỉnh Lai Châu"
    assert (address.city, address.state, address.line) == ("Xã Mường Than", "Tỉnh Lai Châu", ["Bản Nà Phát"])
    (extension,) = address.extension or []
    coded = {
        e.url: e.valueCodeableConcept.coding[0].code
        for e in extension.extension or []
        if e.valueCodeableConcept and e.valueCodeableConcept.coding
    }
    assert coded == {"state": "12", "ward": "03618"}


def test_a_diagnosis_keeps_the_words_of_the_doctor() -> None:
    entry = api.icd10("I10")
    assert entry is not None
    code = api.condition_code(entry, "THA độ 2")
    assert code.text == "THA độ 2"
    assert [(c.system, c.code) for c in code.coding or []] == [("http://hl7.org/fhir/sid/icd-10", "I10")]


def test_a_medicine_carries_formulary_and_ingredient() -> None:
    drug = api.drug("paracetamol-500-mg-vien-nen")
    assert drug is not None
    assert [(c.system, c.code) for c in api.drug_code(drug).coding or []] == [
        (api.FORMULARY, "paracetamol-500-mg-vien-nen"),
        (api.SUBSTANCES, "40.48"),
    ]
