"""Passkeys (WebAuthn 2): registered by a person, used instead of the password or as the second factor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import Q
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from tuetinh.commons.access.models import Account, Passkey

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

T = TypeVar("T")
STATE = "passkey"  # in the session: the challenge that was given out
MOST = 20
LONGEST = 20_000
REQUIRED = UserVerificationRequirement.REQUIRED


def _server(request: HttpRequest) -> Fido2Server:
    """A relying party with the host that the browser sees as its id, and its pages as the only origin."""
    origin = request.build_absolute_uri("/")[:-1]
    host = request.get_host().rpartition(":")[0] or request.get_host()
    return Fido2Server(PublicKeyCredentialRpEntity(id=host, name="Tuệ Tĩnh"), verify_origin=lambda one: one == origin)


def registration(request: HttpRequest, account: Account) -> dict[str, Any]:
    """What the browser is asked for to make a passkey, as JSON; those that the person has are left out."""
    options, state = _server(request).register_begin(
        PublicKeyCredentialUserEntity(
            id=str(account.pk).encode(), name=account.username, display_name=account.full_name
        ),
        _known(account),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=REQUIRED,
    )
    request.session[STATE] = state
    return dict(options)


def register(request: HttpRequest, account: Account, answer: str, name: str) -> Passkey | None:
    """Keep the passkey that the browser made; None when its answer is not to the question, or has been given before."""
    state, told = request.session.pop(STATE, None), _read(answer)
    if not state or told is None or account.passkeys.count() >= MOST:
        return None
    data = _understood(lambda: _server(request).register_complete(state, told))
    attested = data.credential_data if data else None
    if data is None or attested is None or Passkey.objects.filter(credential_id=attested.credential_id).exists():
        return None
    return Passkey.objects.create(
        account=account,
        name=name,
        credential_id=attested.credential_id,
        credential=bytes(attested),
        sign_count=data.counter,
    )


def question(request: HttpRequest, account: Account | None = None) -> dict[str, Any]:
    """What the browser is asked for to prove who it is, as JSON. account: whose passkeys; any one's that it has."""
    options, state = _server(request).authenticate_begin(
        _known(account) if account else None, user_verification=REQUIRED
    )
    request.session[STATE] = state
    return dict(options)


def prove(request: HttpRequest, answer: str, account: Account | None = None) -> Account | None:
    """Whose passkey has answered; None when none has, or it is another person's than the account's.

    A counter that does not grow belongs to a copy of the authenticator, which proves nothing (WebAuthn 2, 7.2, 21).
    """
    state, told = request.session.pop(STATE, None), _read(answer)
    if not state or told is None:
        return None
    response = _understood(lambda: AuthenticationResponse.from_dict(told))
    if response is None:
        return None
    kept = Passkey.objects.select_related("account").filter(credential_id=response.raw_id).first()
    if kept is None or (account is not None and kept.account_id != account.pk) or not kept.account.is_active:
        return None
    handle = response.response.user_handle
    if handle and handle != str(kept.account_id).encode():
        return None
    known = [AttestedCredentialData(bytes(kept.credential))]
    if _understood(lambda: _server(request).authenticate_complete(state, known, told)) is None:
        return None
    counter = response.response.authenticator_data.counter
    grows = Q(sign_count__lt=counter) if counter or kept.sign_count else Q()
    used = Passkey.objects.filter(grows, pk=kept.pk).update(sign_count=counter, last_used=timezone.now())
    return kept.account if used else None


def _known(account: Account) -> list[AttestedCredentialData]:
    return [AttestedCredentialData(bytes(one.credential)) for one in account.passkeys.all()]


def _understood(read: Callable[[], T]) -> T | None:
    """What the library makes of a stranger's bytes; None for whatever it stumbles over in them, or refuses."""
    try:
        return read()
    except Exception:  # its readers of CBOR and COSE raise many kinds
        return None


def _read(answer: str) -> dict[str, Any] | None:
    try:
        told = json.loads(answer) if len(answer) <= LONGEST else None
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
