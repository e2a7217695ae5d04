"""What other modules may call of insurance: check a card, split a cost, build the claim of a visit."""

from __future__ import annotations

from tuetinh.care.insurance.actions import CardCheck, check_card, publish_cards, set_account
from tuetinh.care.insurance.benefits import Line, Situation, Split, SplitLine, base_salary, small_cost, split
from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.claim_tables import REGISTRATION, TENDER
from tuetinh.care.insurance.claims import Claim, claim
from tuetinh.care.insurance.errors import GatewayError, InsuranceError, NoCard, NoVisit
from tuetinh.care.insurance.facts import Card, card, coverage
from tuetinh.care.insurance.queries import card_on, cards, facility_of, visit_situation
from tuetinh.care.insurance.seals import seal, unseal
from tuetinh.care.insurance.simulator import Card as SimulatedCard
from tuetinh.care.insurance.situations import (
    FORMER,
    FUND_SHARE,
    HEAD,
    INSURED_PRICE,
    LEVEL,
    POINTS,
    REASON,
    STATION,
    FacilityFacts,
    charged_code,
    kind,
    line,
)

__all__ = [
    "FORMER",
    "FUND_SHARE",
    "HEAD",
    "INSURED_PRICE",
    "LEVEL",
    "POINTS",
    "REASON",
    "REGISTRATION",
    "STATION",
    "TENDER",
    "Card",
    "CardCheck",
    "Claim",
    "FacilityFacts",
    "GatewayError",
    "InsuranceError",
    "Line",
    "NoCard",
    "NoVisit",
    "Problem",
    "SimulatedCard",
    "Situation",
    "Split",
    "SplitLine",
    "base_salary",
    "card",
    "card_on",
    "cards",
    "charged_code",
    "check_card",
    "claim",
    "coverage",
    "facility_of",
    "kind",
    "line",
    "publish_cards",
    "seal",
    "set_account",
    "small_cost",
    "split",
    "unseal",
    "visit_situation",
]
