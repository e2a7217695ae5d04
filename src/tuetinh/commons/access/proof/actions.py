"""What people do to the ways in which they prove who they are, and administrators to those of others."""

from __future__ import annotations

from django.db import transaction

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Passkey, RecoveryCode, Totp
from tuetinh.commons.access.proof import codes, policy
from tuetinh.commons.access.queries import administered
from tuetinh.commons.access.telling import note_account


@transaction.atomic
def add_totp(account: Account, secret: str, code: str) -> list[str] | None:
    """Turn one-time codes on; None when the code is not of the secret.

    Returns the recovery codes that came with the first second factor, told this once; none for a later one.
    """
    Account.objects.select_for_update().get(pk=account.pk)
    if not codes.keep(account, secret, code):
        return None
    return added(account, "totp_added")


@transaction.atomic
def added(account: Account, what: str) -> list[str]:
    """Note a new second factor; returns the recovery codes that come with the first."""
    is_first = not Account.objects.select_for_update().get(pk=account.pk).has_factor
    Account.objects.filter(pk=account.pk).update(has_factor=True)
    account.has_factor = True
    note_account(account, account, what)
    return codes.new_recovery_codes(account) if is_first else []


@transaction.atomic
def renew_recovery_codes(account: Account) -> list[str]:
    """Ten new codes, told this once. Raises AccessError `no-factor` when there is nothing to recover from."""
    if not Account.objects.select_for_update().get(pk=account.pk).has_factor:
        raise AccessError("no-factor")
    note_account(account, account, "codes_renewed")
    return codes.new_recovery_codes(account)


@transaction.atomic
def remove_totp(account: Account) -> None:
    """Turn one-time codes off; nothing happens when they are."""
    Account.objects.select_for_update().get(pk=account.pk)
    if Totp.objects.filter(account=account).delete()[0]:
        _removed(account, account, "totp_removed")


@transaction.atomic
def remove_passkey(account: Account, passkey_id: int) -> bool:
    """Take one of the person's passkeys away; False when it is none of theirs."""
    Account.objects.select_for_update().get(pk=account.pk)
    if not account.passkeys.filter(pk=passkey_id).delete()[0]:
        return False
    _removed(account, account, "passkey_removed")
    return True


@transaction.atomic
def reset_factors(by: Account, account_id: int) -> Account:
    """Take all second factors of a person away who has lost them. Raises AccessError `not-yours`."""
    account = administered(by).select_for_update().filter(pk=account_id).first()
    if account is None or account.pk == by.pk:
        raise AccessError("not-yours")
    forget_factors(account)
    _removed(account, by, "factors_reset")
    return account


def forget_factors(account: Account) -> None:
    """Take all second factors of an account away."""
    Totp.objects.filter(account=account).delete()
    Passkey.objects.filter(account=account).delete()
    RecoveryCode.objects.filter(account=account).delete()
    Account.objects.filter(pk=account.pk).update(has_factor=False)
    account.has_factor = False


def _removed(account: Account, by: Account, what: str) -> None:
    """Note it. Without any factor left, recovery codes are worth nothing, and a short password is not enough."""
    has_factor = Totp.objects.filter(account=account).exists() or account.passkeys.exists()
    if not has_factor:
        RecoveryCode.objects.filter(account=account).delete()
        is_short = policy.now().password_length_with_factor < policy.now().password_length
        account.must_change_password = account.must_change_password or is_short
    account.has_factor = has_factor
    account.save(update_fields=["has_factor", "must_change_password"])
    note_account(account, by, what)
