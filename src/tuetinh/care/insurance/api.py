"""What other modules may call of insurance: check a card, split a cost, build the claim of a visit, have it sent."""

from __future__ import annotations

from tuetinh.care.insurance.actions import (
    CardCheck,
    check_card,
    give_temporary_card,
    publish_cards,
    set_account,
    set_key,
)
from tuetinh.care.insurance.approved.checking import approved_machines
from tuetinh.care.insurance.benefits import Line, Split, SplitLine, split
from tuetinh.care.insurance.building import built
from tuetinh.care.insurance.cases import benefit
from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.claim_fields import Described, described_fields, fields_of
from tuetinh.care.insurance.claim_inputs import COPAY, OUT_OF_LEVEL, PRICE_PARTS, use_papers
from tuetinh.care.insurance.claim_tables import REGISTRATION, TENDER
from tuetinh.care.insurance.claims import Claim, claim, claims
from tuetinh.care.insurance.copayment.standing import Standing, standing
from tuetinh.care.insurance.entitlement import CardTerm, Situation, base_salary, small_cost
from tuetinh.care.insurance.errors import (
    BadCase,
    GatewayError,
    InsuranceError,
    NoCard,
    NoTemporaryCard,
    NoVisit,
    Stopped,
)
from tuetinh.care.insurance.facts import Card, card, coverage
from tuetinh.care.insurance.filling.reading import MACHINE, MACHINE_CODE
from tuetinh.care.insurance.followers import register as register_insurance_follower
from tuetinh.care.insurance.intake.files import Source as ClaimSource
from tuetinh.care.insurance.intake.files import sources as claim_sources
from tuetinh.care.insurance.intake.run import begin as begin_import
from tuetinh.care.insurance.intake.run import outcomes as import_outcomes
from tuetinh.care.insurance.intake.run import take_in, told_outcome
from tuetinh.care.insurance.kinds import COLLECTED, EXAMINED, IN_BED, kind_so_far, kinds_for, kinds_to_choose, say_kind
from tuetinh.care.insurance.papers.actions import issue, see_again, withdraw
from tuetinh.care.insurance.papers.catalogue import PAPERS, Paper
from tuetinh.care.insurance.papers.queries import issued_in as papers_of_visit
from tuetinh.care.insurance.queries import card_on, cards, facility_of, facility_with, visit_situation
from tuetinh.care.insurance.repeats import role_share
from tuetinh.care.insurance.rules.book import use_delivered_rules
from tuetinh.care.insurance.rules.desk import Finding, findings, reasons_given, shown, stop
from tuetinh.care.insurance.rules.files import FileClaim, claims_in
from tuetinh.care.insurance.rules.recheck import recheck
from tuetinh.care.insurance.rules.weigh import examine_file_claim
from tuetinh.care.insurance.sending.queue import (
    announce_visit,
    claim_is_changed,
    claim_is_paid,
    queue_claim,
    queue_unclaimed,
    take_back_claim,
)
from tuetinh.care.insurance.sending.send import send_due
from tuetinh.care.insurance.sending.signing import Key, open_key
from tuetinh.care.insurance.simulator import Card as SimulatedCard
from tuetinh.care.insurance.situations import (
    COST_GROUP,
    FORMER,
    FUND_SHARE,
    HEAD,
    INSURED_PRICE,
    LEVEL,
    POINTS,
    REASON,
    STATION,
    SUPPLIES,
    FacilityFacts,
    charged_code,
    kind,
    line,
)

__all__ = [
    "COLLECTED",
    "COPAY",
    "COST_GROUP",
    "EXAMINED",
    "FORMER",
    "FUND_SHARE",
    "HEAD",
    "INSURED_PRICE",
    "IN_BED",
    "LEVEL",
    "MACHINE",
    "MACHINE_CODE",
    "OUT_OF_LEVEL",
    "PAPERS",
    "POINTS",
    "PRICE_PARTS",
    "REASON",
    "REGISTRATION",
    "STATION",
    "SUPPLIES",
    "TENDER",
    "BadCase",
    "Card",
    "CardCheck",
    "CardTerm",
    "Claim",
    "ClaimSource",
    "Described",
    "FacilityFacts",
    "FileClaim",
    "Finding",
    "GatewayError",
    "InsuranceError",
    "Key",
    "Line",
    "NoCard",
    "NoTemporaryCard",
    "NoVisit",
    "Paper",
    "Problem",
    "SimulatedCard",
    "Situation",
    "Split",
    "SplitLine",
    "Standing",
    "Stopped",
    "announce_visit",
    "approved_machines",
    "base_salary",
    "begin_import",
    "benefit",
    "built",
    "card",
    "card_on",
    "cards",
    "charged_code",
    "check_card",
    "claim",
    "claim_is_changed",
    "claim_is_paid",
    "claim_sources",
    "claims",
    "claims_in",
    "coverage",
    "described_fields",
    "examine_file_claim",
    "facility_of",
    "facility_with",
    "fields_of",
    "findings",
    "give_temporary_card",
    "import_outcomes",
    "issue",
    "kind",
    "kind_so_far",
    "kinds_for",
    "kinds_to_choose",
    "line",
    "open_key",
    "papers_of_visit",
    "publish_cards",
    "queue_claim",
    "queue_unclaimed",
    "reasons_given",
    "recheck",
    "register_insurance_follower",
    "role_share",
    "say_kind",
    "see_again",
    "send_due",
    "set_account",
    "set_key",
    "shown",
    "small_cost",
    "split",
    "standing",
    "stop",
    "take_back_claim",
    "take_in",
    "told_outcome",
    "use_delivered_rules",
    "use_papers",
    "visit_situation",
    "withdraw",
]
