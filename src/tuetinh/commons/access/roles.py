"""The roles: one desk each, what it is called, and what it may read and write of the record."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

DIRECTORY = "Organization Location Practitioner PractitionerRole HealthcareService"
CONFORMANCE = (
    "CapabilityStatement CodeSystem CompartmentDefinition ConceptMap GraphDefinition ImplementationGuide "
    "MessageDefinition NamingSystem OperationDefinition SearchParameter StructureDefinition StructureMap "
    "TerminologyCapabilities ValueSet"
)
"""What the whole province is understood by: written by its administrators."""
CROSSING = (
    "Patient RelatedPerson Coverage Appointment AppointmentResponse Task ServiceRequest Specimen Communication "
    "CommunicationRequest Subscription"
)
"""What goes from one facility to another, so that both change it."""
IMPERSONAL = (
    f"{DIRECTORY} {CONFORMANCE} ActivityDefinition CatalogEntry ChargeItemDefinition DeviceDefinition Endpoint "
    "EventDefinition Evidence EvidenceVariable InsurancePlan Library Measure Medication MedicationKnowledge "
    "ObservationDefinition OrganizationAffiliation PlanDefinition Questionnaire Schedule Slot SpecimenDefinition "
    "Substance"
)
"""What says nothing of a person: seen whole by every role that reads it."""
CATALOGUE = "Medication CodeSystem ValueSet ActivityDefinition PlanDefinition ChargeItemDefinition"
PERSON = "Patient RelatedPerson Coverage"
VISIT = "Encounter EpisodeOfCare Appointment Schedule Slot Flag Task Communication Provenance"
MONEY = "ChargeItem Account Invoice PaymentNotice PaymentReconciliation Claim ClaimResponse"
ELIGIBILITY = "CoverageEligibilityRequest CoverageEligibilityResponse"
SENSITIVE = "HIV PSY ETH STD SDV SEX GDIS R V"


@dataclass(frozen=True, slots=True)
class Role:
    """One desk.

    label: its name on the screen. does: one sentence of what it is for.
    reads, writes: resource types that it may read, and create or change, by its pages; `*` is every type. What
        another facility answers for it changes only where the type is one of `CROSSING`.
    erases: whether it may also delete what it may write.
    purpose: v3 PurposeOfUse that its accesses are logged under.
    level: SMART level, `user` or `patient`.
    labels: sensitivity labels (`record.labels`) that it sees as shipped. own_labels: those that it sees besides in what
        its own facility has written. glass: hours for which it may open a record that it does not see, 0 where it may
        not. whole: types that it sees of everybody as shipped; other types of people only by relation to the patient.
        Administrators change all four by rules (`sight.rules`).
    """

    name: str
    label: _StrPromise
    does: _StrPromise
    reads: str = ""
    writes: str = ""
    erases: bool = False
    purpose: str = "TREAT"
    level: str = "user"
    labels: str = ""
    own_labels: str = ""
    glass: int = 0
    whole: str = "Patient"

    @property
    def scopes(self) -> frozenset[str]:
        """SMART v2 scopes of the pages of this desk."""
        letters = "cruds" if self.erases else "crus"
        return frozenset(f"{self.level}/{name}.{letters}" for name in self.writes.split()) | self.api_scopes

    @property
    def types(self) -> tuple[str, ...]:
        """Resource types that its pages may come to, sorted; `*` alone for every type."""
        types = {*self.reads.split(), *self.writes.split()}
        return ("*",) if "*" in types else tuple(sorted(types))

    @property
    def sees_patients(self) -> bool:
        """Whether it is a desk that works with people who come: staff that may read any Patient."""
        return self.level == "user" and not {"Patient", "*"}.isdisjoint(self.types)

    def closed(self, facility: str) -> str:
        """Types that it may not write at a facility, "" for the province, whatever else its `*` names."""
        if self.name != "admin":
            return f"{DIRECTORY} {CONFORMANCE}"
        return CONFORMANCE if facility else ""

    def elsewhere(self, facility: str) -> str:
        """Types of which it changes what other facilities answer for."""
        return "*" if self.name == "admin" and not facility else CROSSING

    @property
    def api_scopes(self) -> frozenset[str]:
        """SMART v2 scopes of a browser session at the `/fhir` door, where a role reads only."""
        return frozenset(f"{self.level}/{name}.rs" for name in self.reads.split())


_ALL = (
    Role(
        "reception",
        gettext_lazy("Tiếp đón"),
        gettext_lazy("Đăng ký người bệnh, kiểm tra thẻ BHYT, cấp số thứ tự."),
        reads=f"{DIRECTORY} {CATALOGUE} {PERSON} {VISIT} {MONEY} {ELIGIBILITY} AllergyIntolerance ServiceRequest",
        writes=f"{PERSON} {VISIT} {ELIGIBILITY} ChargeItem Account ServiceRequest",
        whole=PERSON,
    ),
    Role(
        "doctor",
        gettext_lazy("Bác sĩ"),
        gettext_lazy("Khám bệnh, chẩn đoán, chỉ định, kê đơn, kết thúc lượt khám."),
        reads="*",
        writes="*",
        erases=True,
        labels=SENSITIVE,
        glass=4,
    ),
    Role(
        "nurse",
        gettext_lazy("Điều dưỡng"),
        gettext_lazy("Đo sinh hiệu, chăm sóc, lấy mẫu."),
        reads="*",
        writes=f"{PERSON} {VISIT} Observation AllergyIntolerance Specimen QuestionnaireResponse CarePlan Procedure "
        "MedicationAdministration MedicationStatement Immunization ChargeItem ServiceRequest DocumentReference",
        labels=SENSITIVE,
        glass=4,
    ),
    Role(
        "lab",
        gettext_lazy("Xét nghiệm"),
        gettext_lazy("Nhận mẫu, nhận kết quả từ máy, duyệt và trả kết quả."),
        reads=f"{DIRECTORY} {CATALOGUE} {PERSON} {VISIT} AllergyIntolerance Condition Observation DiagnosticReport "
        "ServiceRequest Specimen Device ChargeItem DocumentReference BiologicallyDerivedProduct Procedure AdverseEvent "
        "Media",
        writes="Observation DiagnosticReport ServiceRequest Specimen Device Task Communication Provenance ChargeItem "
        "DocumentReference BiologicallyDerivedProduct Procedure AdverseEvent Media",
        labels=SENSITIVE,
    ),
    Role(
        "imaging",
        gettext_lazy("Chẩn đoán hình ảnh"),
        gettext_lazy("Thực hiện ca chụp, đọc phim, trả kết quả."),
        reads=f"{DIRECTORY} {CATALOGUE} {PERSON} {VISIT} AllergyIntolerance Condition Observation DiagnosticReport "
        "ServiceRequest ImagingStudy Device ChargeItem DocumentReference Procedure MedicationRequest "
        "MedicationStatement QuestionnaireResponse",
        writes="ImagingStudy Observation DiagnosticReport ServiceRequest Task Communication Provenance ChargeItem "
        "DocumentReference Procedure QuestionnaireResponse",
    ),
    Role(
        "pharmacist",
        gettext_lazy("Dược"),
        gettext_lazy("Duyệt đơn, phát thuốc, giữ kho dược."),
        reads=f"{DIRECTORY} {CATALOGUE} {PERSON} {VISIT} AllergyIntolerance Condition Observation MedicationRequest "
        "MedicationDispense MedicationAdministration MedicationStatement CarePlan ChargeItem",
        writes="MedicationRequest MedicationDispense Task Communication Provenance ChargeItem",
        labels=SENSITIVE,
    ),
    Role(
        "cashier",
        gettext_lazy("Thu ngân"),
        gettext_lazy("Tính tiền, thu tiền, in biên lai."),
        reads=f"{DIRECTORY} {CATALOGUE} {PERSON} {VISIT} {MONEY} {ELIGIBILITY} ServiceRequest MedicationRequest",
        writes=f"{MONEY} {ELIGIBILITY} Task Communication Provenance",
        purpose="HPAYMT",
        whole=PERSON,
    ),
    Role(
        "archivist",
        gettext_lazy("Lưu trữ hồ sơ"),
        gettext_lazy("Nhận, soát, lưu và cho mượn hồ sơ bệnh án."),
        reads="*",
        writes="Composition DocumentReference List Task Provenance Consent",
        purpose="HOPERAT",
    ),
    Role(
        "station",
        gettext_lazy("Trạm y tế"),
        gettext_lazy("Khám ban đầu, tiêm chủng, quản lý sức khỏe người dân của xã."),
        reads="*",
        writes=f"{PERSON} {VISIT} {ELIGIBILITY} Observation Condition AllergyIntolerance Immunization CarePlan "
        "Procedure MedicationRequest MedicationDispense ServiceRequest QuestionnaireResponse "
        "ChargeItem FamilyMemberHistory",
        own_labels=SENSITIVE,
    ),
    Role(
        "citizen",
        gettext_lazy("Người dân"),
        gettext_lazy("Xem hồ sơ sức khỏe của mình, kết quả, thuốc, chi phí."),
        reads="*",
        writes="Subscription",
        erases=True,
        purpose="PATRQT",
        level="patient",
    ),
    Role(
        "official",
        gettext_lazy("Sở Y tế"),
        gettext_lazy("Theo dõi số liệu tổng hợp của toàn tỉnh."),
        reads=DIRECTORY,
        purpose="PUBHLTH",
    ),
    Role(
        "admin",
        gettext_lazy("Quản trị"),
        gettext_lazy("Cấp, khóa, mở khóa tài khoản của cơ sở."),
        reads=f"{DIRECTORY} AuditEvent",
        writes=f"{DIRECTORY} {CONFORMANCE}",
        purpose="HOPERAT",
        whole="AuditEvent",
    ),
    Role(
        "outsider",
        gettext_lazy("Chưa được phân quyền"),
        gettext_lazy("Tài khoản chưa thuộc bàn làm việc nào."),
    ),
)

ROLES: Mapping[str, Role] = MappingProxyType({role.name: role for role in _ALL})
"""Every role by name, in the order of a visit."""
