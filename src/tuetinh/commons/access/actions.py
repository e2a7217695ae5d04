"""What administrators do to accounts, and people to their own: check, lock, change, and note who did it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from axes.utils import reset
from django.db import IntegrityError, transaction
from django.utils import timezone

from tuetinh.commons.access import sessions
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import OF_STAFF, Account, Client, Grant, Policy, Token
from tuetinh.commons.access.oauth.scopes import split
from tuetinh.commons.access.oauth.words import digest, new_secret
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.proof import attempts, policy
from tuetinh.commons.access.proof.actions import forget_factors
from tuetinh.commons.access.proof.codes import ALPHABET
from tuetinh.commons.access.queries import OF_PROVINCE, administered, administered_clients, grantable
from tuetinh.commons.access.telling import enter_log, note_account, tell_person
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

CITIZENS_DESKS = ("reception", "station")  # where people show who they are
SHORTEST_REASON = 10  # characters
TOLD_GIVEN = (
    "Tài khoản xem hồ sơ của bạn vừa được cấp tại {place}, cho người trình giấy tờ của bạn. "
    "Nếu không phải bạn, hãy báo ngay cho cơ sở đó."
)
TOLD_RESET = (
    "Mật khẩu tài khoản của bạn vừa được đặt lại tại {place}, vì có người trình giấy tờ của bạn. "
    "Nếu không phải bạn, hãy báo ngay cho cơ sở đó."
)


@transaction.atomic
def create_account(by: Account, *, username: str, full_name: str, role: str, room: str = "") -> tuple[Account, str]:
    """Make an account at the administrator's facility; returns it with its first password, which must be changed."""
    if role not in grantable(by):
        raise AccessError("role")
    password = first_password()
    try:
        with transaction.atomic():
            account = Account.objects.create_account(
                username, password, full_name=full_name, role=role, facility=by.facility, room=room
            )
    except IntegrityError:
        raise AccessError("taken") from None
    Account.objects.filter(pk=account.pk).update(must_change_password=True)
    note_account(account, by, "created")
    return account, password


@transaction.atomic
def disable(by: Account, account_id: int) -> Account:
    """Shut an account out; its sessions end with the next request."""
    account = _locked(by, account_id)
    if account.pk == by.pk:
        raise AccessError("yourself")
    return _set_active(by, account, active=False)


@transaction.atomic
def enable(by: Account, account_id: int) -> Account:
    """Let a disabled account in again."""
    account = _locked(by, account_id)
    Account.objects.filter(pk=account.pk, is_active=False).update(last_used=timezone.now(), idle_told=None)
    return _set_active(by, account, active=True)


@transaction.atomic
def reset_password(by: Account, account_id: int) -> tuple[Account, str]:
    """Give a new first password, to be changed at the next login; ends the account's sessions and its lock-out.

    Raises AccessError `own-password` for the administrator's own, which needs the old one.
    """
    account = _locked(by, account_id)
    if account.pk == by.pk:
        raise AccessError("own-password")
    password = first_password()
    policy.set_password(account, password, must_change=True)
    _forgive(account)
    note_account(account, by, "password_reset")
    return account, password


@transaction.atomic
def change_role(by: Account, account_id: int, role: str) -> Account:
    """Give a colleague another desk; the sessions at the old one end. Raises AccessError `role`, `yourself`.

    Neither the role before nor the one after may be above what the administrator gives.
    """
    account = _locked(by, account_id)
    if account.pk == by.pk:
        raise AccessError("yourself")
    if role not in grantable(by) or account.role not in grantable(by):
        raise AccessError("role")
    if account.role != role:
        account.role, account.reviewed = role, timezone.now()
        account.for_emergency = False
        account.save(update_fields=["role", "reviewed", "for_emergency"])
        sessions.end_others(account, None)
        note_account(account, by, "role_changed")
    return account


@transaction.atomic
def move(by: Account, account_id: int, facility: str) -> Account:
    """Let a colleague work at another facility, which only the province does. Raises AccessError `province`, `place`.

    facility: of an Organization, or "" for an administrator or official of the province.
    """
    account = _locked(by, account_id)
    if by.facility or account.pk == by.pk:
        raise AccessError("province")
    if account.role == "citizen" or not _is_place(facility, account.role):
        raise AccessError("place")
    if account.facility != facility:
        account.facility, account.room, account.reviewed = facility, "", timezone.now()
        account.save(update_fields=["facility", "room", "reviewed"])
        sessions.end_others(account, None)
        note_account(account, by, "moved")
    return account


@transaction.atomic
def confirm(by: Account, account_ids: Iterable[int]) -> int:
    """Say that accounts are right as they are: the person still works there, at that desk. Returns how many.

    Those of others only, one's own where there is no other administrator who could. Others' facilities are passed over.
    """
    accounts = administered(by).select_for_update().filter(OF_STAFF, pk__in=account_ids).order_by("pk")
    sure = [account for account in accounts if account.pk != by.pk or not another_administers(by)]
    Account.objects.filter(pk__in=[account.pk for account in sure]).update(reviewed=timezone.now())
    for account in sure:
        note_account(account, by, "reviewed")
    return len(sure)


def another_administers(by: Account) -> bool:
    """Whether somebody else could say that this administrator's account is right."""
    others = Account.objects.filter(role="admin", is_active=True, facility__in={"", by.facility})
    return others.exclude(pk=by.pk).exists()


@transaction.atomic
def keep_for_emergency(by: Account, account_id: int, *, kept: bool) -> Account:
    """Let an administrator's account stay although nobody uses it, or no longer. Raises AccessError `role`, `yourself`.

    Whoever uses it is told of at the next review.
    """
    account = _locked(by, account_id)
    if account.pk == by.pk:
        raise AccessError("yourself")
    if account.role != "admin":
        raise AccessError("role")
    if account.for_emergency is not kept:
        account.for_emergency, account.idle_told, account.reviewed = kept, None, timezone.now()
        account.last_used = account.reviewed
        account.save(update_fields=["for_emergency", "idle_told", "reviewed", "last_used"])
        note_account(account, by, "emergency_on" if kept else "emergency_off")
    return account


@transaction.atomic
def recover(username: str, full_name: str) -> tuple[Account, str]:
    """Make an administrator of the province, or let the one of that name in again; for who keeps the node.

    Second factors that were lost are gone with it. The first administrator of a node brings the policy that
    administrators must have one. Returns the account and its first password. Raises AccessError `taken` for the name of
    another account.
    """
    password = first_password()
    account = Account.objects.select_for_update().filter(username=username).first()
    if account is None:
        if not (Account.objects.filter(role="admin").exists() or Policy.objects.exists()):
            Policy.objects.create(factor_roles="admin")
            transaction.on_commit(policy.forget)
        account = Account.objects.create_account(username, password, full_name=full_name, role="admin")
        Account.objects.filter(pk=account.pk).update(must_change_password=True)
    elif account.role != "admin" or account.facility:
        raise AccessError("taken")
    else:
        forget_factors(account)
        account.is_active, account.last_used, account.idle_told = True, timezone.now(), None
        account.save(update_fields=["is_active", "last_used", "idle_told"])
        policy.set_password(account, password, must_change=True)
        _forgive(account)
    note_account(account, None, "recovered")
    return account, password


def _is_place(facility: str, role: str) -> bool:
    if not facility:
        return role in ("admin", *OF_PROVINCE)
    try:
        record.read(SYSTEM, "Organization", facility)
    except RecordError:
        return False
    return True


@transaction.atomic
def give_citizen_account(
    by: Account, *, patient: str, full_name: str, username: str, numbers: Collection[str], number: str, reason: str
) -> tuple[Account, str]:
    """Let a person see their own record; returns the account with its first password, which must be changed.

    numbers, number: as for `reset_citizen_account`. Of whom the record knows no paper, the reason tells how the desk
    knows who it is. Raises AccessError `role`, `has-account` for who has one, `paper`, `reason`, or `taken` when the
    user name is another person's.
    """
    if by.role not in CITIZENS_DESKS or not patient:
        raise AccessError("role")
    if has_account(patient):
        raise AccessError("has-account")
    if numbers and number not in numbers:
        raise AccessError("paper")
    if not numbers and len(reason.strip()) < SHORTEST_REASON:
        raise AccessError("reason")
    password = first_password()
    try:
        with transaction.atomic():
            account = Account.objects.create_account(
                username, password, full_name=full_name, role="citizen", patient=patient
            )
    except IntegrityError:
        raise AccessError("taken") from None
    Account.objects.filter(pk=account.pk).update(must_change_password=True)
    note_account(account, by, "created", reason.strip())
    tell_person(patient, TOLD_GIVEN.format(place=place_name("Organization", by.facility)), by.facility)
    return account, password


def has_account(patient: str) -> bool:
    """Whether a person has an account for their own pages."""
    return Account.objects.filter(role="citizen", patient=patient).exists()


@transaction.atomic
def reset_citizen_account(
    by: Account, *, patient: str, numbers: Collection[str], number: str, reason: str
) -> tuple[Account, str]:
    """Give who has lost the password of their own pages a new one; the account with it, to be changed at the login.

    numbers: of the person's identity papers as the record knows them. number: as the desk has read it from the paper
    that was shown. Second factors stay; the person is told. Raises AccessError `role`, `paper`, `reason`, `no-account`.
    """
    if by.role not in CITIZENS_DESKS:
        raise AccessError("role")
    if not number or number not in numbers:
        raise AccessError("paper")
    if len(reason.strip()) < SHORTEST_REASON:
        raise AccessError("reason")
    account = Account.objects.select_for_update().filter(role="citizen", patient=patient).first()
    if account is None:
        raise AccessError("no-account")
    password = first_password()
    policy.set_password(account, password, must_change=True)
    _forgive(account)
    note_account(account, by, "password_reset", reason.strip())
    tell_person(patient, TOLD_RESET.format(place=place_name("Organization", by.facility)), by.facility)
    return account, password


@transaction.atomic
def unlock(by: Account, account_id: int) -> Account:
    """End the lock-out after wrong passwords, for every address."""
    account = _locked(by, account_id)
    _forgive(account)
    note_account(account, by, "unlocked")
    return account


@transaction.atomic
def change_own_password(account: Account, password: str) -> None:
    """Set the password that the person chose; the form has checked the old one and the rules.

    Every session ends; the page that the person is on begins a new one.
    """
    policy.set_password(account, password, must_change=False)
    note_account(account, account, "password_changed")


def choose_language(account: Account, language: str) -> None:
    """Remember the language for the next login."""
    Account.objects.filter(pk=account.pk).update(language=language)


@transaction.atomic
def register_client(
    by: Account,
    *,
    client_id: str,
    name: str,
    proof: str,
    scopes: str,
    redirect_uris: str = "",
    launch_url: str = "",
    jwks: dict[str, object] | None = None,
    jwks_url: str = "",
) -> tuple[Client, str]:
    """Register a connected system or an app at the administrator's facility.

    proof: `secret`, `keys` or `none` (a public app). Returns the client and its secret, told this once only, or "". A
    system of the whole province is not in force before `confirm_client`, where somebody else could do that.
    """
    if by.role != "admin":
        raise AccessError("role")
    secret = new_secret() if proof == "secret" else ""
    awaits = not by.facility and any(one.level == "system" for one in split(scopes)[1]) and _others(by)
    client = Client(
        id=client_id,
        name=name,
        scopes=scopes,
        facility=by.facility,
        secret_digest=digest(secret) if secret else b"",
        jwks=jwks if proof == "keys" else None,
        jwks_url=jwks_url if proof == "keys" else "",
        redirect_uris=redirect_uris,
        launch_url=launch_url,
        registered_by=by,
        awaits=awaits,
        is_active=not awaits,
    )
    try:
        with transaction.atomic():
            client.save(force_insert=True)
    except IntegrityError:
        raise AccessError("client-taken") from None
    enter_log(by, "create", "Client", client.pk, reason=scopes)
    return client, secret


@transaction.atomic
def renew_secret(by: Account, client_id: str) -> tuple[Client, str]:
    """A new secret for a client that has one, told this once; the old one and all tokens end.

    Raises AccessError `not-yours`, or `no-secret` for a client that proves itself otherwise.
    """
    client = _locked_client(by, client_id)
    if not client.secret_digest:
        raise AccessError("no-secret")
    secret = new_secret()
    client.secret_digest = digest(secret)
    client.save(update_fields=["secret_digest"])
    Token.objects.filter(client=client, grant=None).delete()
    enter_log(by, "update", "Client", client.pk, reason="secret renewed")
    return client, secret


@transaction.atomic
def replace_keys(by: Account, client_id: str, jwks: dict[str, object] | None, jwks_url: str) -> Client:
    """Other public keys for a client that proves itself by keys. Raises AccessError `not-yours`, `no-secret`."""
    client = _locked_client(by, client_id)
    if not (client.jwks or client.jwks_url) or not (jwks or jwks_url):
        raise AccessError("no-secret")
    client.jwks, client.jwks_url = jwks, jwks_url
    client.save(update_fields=["jwks", "jwks_url"])
    enter_log(by, "update", "Client", client.pk, reason="keys replaced")
    return client


@transaction.atomic
def set_client_active(by: Account, client_id: str, *, active: bool) -> Client:
    """Shut a client out, which ends all that it holds, or let it in again. Raises AccessError `not-yours`, `second`."""
    client = _locked_client(by, client_id)
    if active and client.awaits:
        raise AccessError("second")
    client.is_active = active
    client.save(update_fields=["is_active"])
    if not active:
        Grant.objects.filter(client=client).update(ended=True)
        Token.objects.filter(client=client).delete()
    enter_log(by, "update", "Client", client.pk, reason="enabled" if active else "disabled")
    return client


@transaction.atomic
def confirm_client(by: Account, client_id: str) -> Client:
    """Let a system of the whole province in, as another administrator than the one who registered it.

    Raises AccessError `not-yours`, `second`.
    """
    client = _locked_client(by, client_id)
    if not client.awaits or client.registered_by_id == by.pk:
        raise AccessError("second")
    client.awaits, client.is_active, client.confirmed_by = False, True, by
    client.save(update_fields=["awaits", "is_active", "confirmed_by"])
    enter_log(by, "update", "Client", client.pk, reason="confirmed")
    return client


def _others(by: Account) -> bool:
    """Whether the province has another administrator."""
    return Account.objects.filter(role="admin", facility="", is_active=True).exclude(pk=by.pk).exists()


def first_password() -> str:
    """Twelve characters that can be read out over the telephone."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))


def _locked(by: Account, account_id: int) -> Account:
    account = administered(by).select_for_update().filter(pk=account_id).first()
    if account is None:
        raise AccessError("not-yours")
    return account


def _locked_client(by: Account, client_id: str) -> Client:
    client = administered_clients(by).select_for_update().filter(pk=client_id).first()
    if client is None:
        raise AccessError("not-yours")
    return client


def _set_active(by: Account, account: Account, *, active: bool) -> Account:
    if account.is_active is not active:
        account.is_active = active
        account.save(update_fields=["is_active"])
        if not active:
            sessions.end_others(account, None)
        note_account(account, by, "enabled" if active else "disabled")
    return account


def _forgive(account: Account) -> None:
    reset(username=account.username)
    attempts.forgive(account.username)
