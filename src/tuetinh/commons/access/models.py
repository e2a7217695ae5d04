"""Accounts of people and of connected systems.

Who a person is professionally is a fact (Practitioner, PractitionerRole) that the account names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from tuetinh.commons.access.sessions import SessionStore


class AccountManager(BaseUserManager["Account"]):
    """Makes accounts and finds them by user name."""

    def create_account(self, username: str, password: str, **fields: str) -> Account:
        """Make an account with a hashed password."""
        account = self.model(username=username, **fields)
        account.set_password(password)
        account.save(using=self._db)
        return account


OF_STAFF = models.Q(is_active=True) & ~models.Q(role="citizen")
"""Accounts that are watched: those who come to work. People look at their own record when they like."""


class Account(AbstractBaseUser):
    """A person who logs in. `role` is the desk; `facility` the Organization id; one of the next two is usually set.

    has_factor: whether a one-time code or a passkey is set up, so that the password alone lets nobody in.
    last_used: when the person last came in, or an app of theirs asked; idle_told: when the administrators were told
    that it will be disabled for that (`idle`). reviewed: when an administrator last said that it is right as it is.
    for_emergency: an administrator's account in an envelope, which nobody uses unless nobody else can come in.
    """

    username = models.CharField(max_length=100, unique=True)
    full_name = models.CharField(max_length=200)
    role = models.CharField(max_length=30)
    facility = models.CharField(max_length=64, blank=True)
    room = models.CharField(max_length=64, blank=True)
    practitioner = models.CharField(max_length=64, blank=True)
    patient = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=5, default="vi")
    is_active = models.BooleanField(default=True)
    must_change_password = models.BooleanField(default=False)
    password_changed = models.DateTimeField(default=timezone.now, db_default=Now())
    has_factor = models.BooleanField(default=False, db_default=False)
    last_used = models.DateTimeField(default=timezone.now, db_default=Now())
    idle_told = models.DateTimeField(null=True)
    reviewed = models.DateTimeField(default=timezone.now, db_default=Now())
    for_emergency = models.BooleanField(default=False, db_default=False)

    objects: ClassVar[AccountManager] = AccountManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name", "role"]

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["facility", "role"]),
            models.Index(fields=["last_used"], name="access_staff_last_used", condition=OF_STAFF),
            models.Index(fields=["reviewed"], name="access_staff_reviewed", condition=OF_STAFF),
        ]

    def __str__(self) -> str:
        return self.full_name or self.username


class AccountEvent(models.Model):
    """What an administrator, or the person, did to an account: `created`, `disabled`, … (`words.EVENTS`).

    by: None for the node itself, or who keeps it.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="events")
    by = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+")
    what = models.CharField(max_length=30)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "-at"])]


class PastPassword(models.Model):
    """The hash of a password that an account has had, so that it is not chosen again."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="past_passwords")
    password = models.CharField(max_length=128)


class Totp(models.Model):
    """The secret of one-time codes (RFC 6238), sealed. last_step: of the last one used; none is taken twice."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="totp")
    secret = models.BinaryField()
    last_step = models.BigIntegerField()
    at = models.DateTimeField(auto_now_add=True)


class RecoveryCode(models.Model):
    """A code for when the telephone is lost, known by its SHA-256 only; used once, and then gone."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.BinaryField(max_length=32)


class Passkey(models.Model):
    """A credential of WebAuthn. credential: AAGUID, id and COSE public key, as the authenticator attested them.

    sign_count: the authenticator's counter when it was last used; 0 where it has none (WebAuthn 2, 6.1.1).
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=60)
    credential_id = models.BinaryField(max_length=1023, unique=True)
    credential = models.BinaryField()
    sign_count = models.BigIntegerField(default=0)
    at = models.DateTimeField(auto_now_add=True)
    last_used = models.DateTimeField(null=True)


class Session(AbstractBaseSession):
    """A browser in which somebody is logged in, or is about to be."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, related_name="sessions")

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        """Who reads and writes it."""
        from tuetinh.commons.access.sessions import SessionStore

        return SessionStore


class Pace(models.Model):
    """How much of an allowance is used up. kind, key: of what and whose; full: when it will be whole again."""

    kind = models.CharField(max_length=30)
    key = models.BinaryField(max_length=32)
    full = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "key"], name="access_pace_once")]


class Provider(models.Model):
    """An identity provider outside (OpenID Connect), for the accounts of a facility, or with "" of the whole province.

    secret: sealed. claim: names the person, by what its owner linked (`Link`) or, with by_username, by our user
    name. role_claim, roles: a claim and which of our roles its values are; without them nothing outside gives a role.
    is_strong: it asks for a second factor itself, so that we do not; only the province says so of one, or by_username.
    """

    id = models.SlugField(max_length=40, primary_key=True)
    name = models.CharField(max_length=100)
    facility = models.CharField(max_length=64, blank=True)
    issuer = models.CharField(max_length=300)
    client_id = models.CharField(max_length=200)
    secret = models.BinaryField(default=bytes)
    claim = models.CharField(max_length=100, default="sub")
    by_username = models.BooleanField(default=False)
    role_claim = models.CharField(max_length=100, blank=True)
    roles = models.JSONField(default=dict)
    is_strong = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    @property
    def is_trusted(self) -> bool:
        """Whether its word alone lets in whoever has a second factor here."""
        return self.is_strong and not self.facility


class Link(models.Model):
    """Who somebody outside is here. value: of the provider's claim."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="links")
    value = models.CharField(max_length=255)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="links")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "value"], name="access_link_once"),
            models.UniqueConstraint(fields=["account", "provider"], name="access_link_one"),
        ]


def _number(
    label: _StrPromise, default: int, least: int, most: int, help_text: _StrPromise | str = "", **more: Any
) -> Any:
    validators = [MinValueValidator(least), MaxValueValidator(most)]
    return models.PositiveIntegerField(label, default=default, validators=validators, help_text=help_text, **more)


NEVER_CHANGED = gettext_lazy("0: không bắt đổi theo thời gian.")


class Policy(models.Model):
    """How people prove who they are everywhere here, and what ends by itself; without a row, the defaults hold.

    factor_roles: those who must have a second factor, separated by spaces. `*_minutes`: for how long a proof of who one
    is is good enough for an action, 0 for the whole session. open_days: after which care that
    nobody ends no longer opens a record (`sight.relations.end_left_open`).
    """

    password_length = _number(gettext_lazy("Độ dài mật khẩu, ít nhất"), 14, 8, 64)
    password_length_with_factor = _number(gettext_lazy("Độ dài khi đã bật xác thực hai bước"), 8, 8, 64)
    password_history = _number(gettext_lazy("Không dùng lại bao nhiêu mật khẩu cũ"), 10, 0, 24)
    password_days = _number(gettext_lazy("Phải đổi mật khẩu sau (ngày)"), 0, 0, 3650, NEVER_CHANGED)
    admin_password_days = _number(
        gettext_lazy("Quản trị phải đổi mật khẩu sau (ngày)"), 60, 0, 3650, NEVER_CHANGED, db_default=60
    )
    password_refuses_common = models.BooleanField(gettext_lazy("Không nhận mật khẩu nhiều người dùng"), default=True)
    factor_roles = models.TextField(blank=True)
    sign_minutes = _number(gettext_lazy("Ký kết thúc khám, duyệt kết quả (phút)"), 120, 0, 720)
    open_minutes = _number(gettext_lazy("Mở hồ sơ khẩn cấp (phút)"), 15, 0, 720)
    rules_minutes = _number(gettext_lazy("Đổi quyền xem, tài khoản, kết nối (phút)"), 30, 0, 720)
    factors_minutes = _number(
        gettext_lazy("Thêm, bỏ cách đăng nhập (phút)"), 5, 1, 720, gettext_lazy("Việc này luôn phải xác nhận.")
    )
    take_minutes = _number(gettext_lazy("Tải dữ liệu cá nhân về máy (phút)"), 15, 0, 720)
    session_hours = _number(gettext_lazy("Phiên làm việc dài nhất (giờ)"), 12, 1, 72)
    idle_minutes = _number(gettext_lazy("Tự đăng xuất khi không dùng (phút)"), 120, 5, 1440)
    wrong_per_account = _number(gettext_lazy("Số lần sai mỗi giờ của một tài khoản, từ mọi nơi"), 30, 5, 1000)
    wrong_per_address = _number(
        gettext_lazy("Số lần sai mỗi giờ từ một địa chỉ mạng"),
        300,
        20,
        100_000,
        gettext_lazy("Cả bệnh viện có thể cùng ra Internet bằng một địa chỉ."),
    )
    idle_days = _number(
        gettext_lazy("Khóa tài khoản không dùng sau (ngày)"),
        45,
        0,
        3650,
        gettext_lazy("Quản trị của cơ sở được báo trước 7 ngày. 0: không khóa."),
        db_default=45,
    )
    open_days = _number(
        gettext_lazy("Lượt khám ngoại trú, giấy chuyển không ai kết thúc thôi mở hồ sơ sau (ngày)"),
        90,
        0,
        3650,
        gettext_lazy("Tính từ lần ghi cuối. 0: mở đến khi có người kết thúc."),
        db_default=90,
    )
    review_months = _number(
        gettext_lazy("Xem lại quyền của từng tài khoản sau (tháng)"),
        6,
        0,
        60,
        gettext_lazy("0: không nhắc."),
        db_default=6,
    )


class PolicyChange(models.Model):
    """Who changed the policy, when, and from what to what: its fields as JSON."""

    by = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    before = models.JSONField()
    after = models.JSONField()


class SightRule(models.Model):
    """What a role sees of the record, in the whole province (`facility` is empty) or, more strictly, at one facility.

    by_relation: what is not in `whole` only with a relation to the patient. whole, labels, own_labels: resource types,
    sensitivity labels, and those besides in what the own facility has written, separated by spaces. purpose: v3
    PurposeOfUse of its accesses, "" for the role's own. after_days: for which relations of care hold after their end.
    glass_hours: for which a record is opened in an emergency; 0 never.
    """

    role = models.CharField(max_length=30)
    facility = models.CharField(max_length=64, blank=True)
    by_relation = models.BooleanField(default=True)
    whole = models.TextField(blank=True)
    labels = models.TextField(blank=True)
    own_labels = models.TextField(blank=True, default="")
    purpose = models.CharField(max_length=20, blank=True)
    after_days = models.PositiveSmallIntegerField()
    glass_hours = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["role", "facility"], name="access_rule_once")]


class SightChange(models.Model):
    """Who changed a rule, when, and from what to what: the fields of `SightRule` as JSON, sorted by name."""

    role = models.CharField(max_length=30)
    facility = models.CharField(max_length=64, blank=True)
    by = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    before = models.JSONField()
    after = models.JSONField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "role", "-at"])]


class Guardianship(models.Model):
    """That somebody becomes the guardian of an adult, asked for at a desk; counts when another has confirmed it.

    paper: the number of the court's decision or of the authorisation. accepted: None until it was answered.
    """

    ward = models.CharField(max_length=64)
    carer = models.CharField(max_length=64)
    paper = models.CharField(max_length=100)
    reason = models.CharField(max_length=500)
    facility = models.CharField(max_length=64)
    by = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    accepted = models.BooleanField(null=True)
    answered_by = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+")
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["ward", "carer"], condition=models.Q(accepted=None), name="access_guardianship_once"
            )
        ]


class Glass(models.Model):
    """A record opened in an emergency: by whom, why, until when, and what the reviewer said of it.

    `verdict` is `ok` or `not-ok`, "" until it was reviewed; `due` is when it should have been, `late_told` when it was
    told that it was not.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    facility = models.CharField(max_length=64, blank=True)
    patient = models.CharField(max_length=64)
    reason = models.CharField(max_length=500)
    at = models.DateTimeField()
    until = models.DateTimeField()
    due = models.DateTimeField()
    late_told = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=10, blank=True)
    note = models.CharField(max_length=500, blank=True)
    reviewed_by = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["verdict", "facility", "due"])]


class Client(models.Model):
    """A connected system or an app. `scopes`: the SMART v2 scopes that it may ask for.

    It proves itself by a secret, by its keys (`jwks`, or `jwks_url` where they are fetched), or is public and cannot.
    redirect_uris: where an app may be sent back to, one a line; with none it gets tokens as a system only. One of
        the node itself begins with its path.
    launch_url: where an app begins when it is launched from a person's page.
    awaits: it was registered for the whole province and is not in force until a second administrator confirms it.
    """

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200)
    secret_digest = models.BinaryField(max_length=32, default=bytes)
    scopes = models.TextField(default="system/*.cruds")
    facility = models.CharField(max_length=64, blank=True)
    is_active = models.BooleanField(default=True)
    jwks = models.JSONField(null=True)
    jwks_url = models.CharField(max_length=500, blank=True)
    redirect_uris = models.TextField(blank=True)
    launch_url = models.CharField(max_length=500, blank=True)
    registered_by = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+")
    awaits = models.BooleanField(default=False, db_default=False)
    confirmed_by = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+")
    last_used = models.DateTimeField(null=True)

    @property
    def is_app(self) -> bool:
        """Whether people use it."""
        return bool(self.redirect_uris)

    @property
    def is_public(self) -> bool:
        """Whether it has nothing to prove itself by."""
        return not (self.secret_digest or self.jwks or self.jwks_url)


class Launch(models.Model):
    """An app begun from a person's page: who began it and whom it is about, behind a token that is good for once."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    patient = models.CharField(max_length=64)
    encounter = models.CharField(max_length=64, blank=True)
    expires = models.DateTimeField(db_index=True)


class Grant(models.Model):
    """What a person allowed an app once; everything that the app holds because of it ends with it.

    code_digest: of the authorization code, kept after its use so that a second use is known. challenge: of PKCE S256.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="grants")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="grants")
    scopes = models.TextField()
    patient = models.CharField(max_length=64, blank=True)
    encounter = models.CharField(max_length=64, blank=True)
    redirect_uri = models.CharField(max_length=500)
    challenge = models.CharField(max_length=43)
    nonce = models.CharField(max_length=200, blank=True)
    session = models.CharField(max_length=40, blank=True)
    code_digest = models.BinaryField(max_length=32, unique=True)
    code_expires = models.DateTimeField()
    code_used = models.BooleanField(default=False)
    ended = models.BooleanField(default=False)
    at = models.DateTimeField(auto_now_add=True)


class Token(models.Model):
    """An access token, known only by the SHA-256 of its random value. Without grant it is a system's own."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="tokens")
    grant = models.ForeignKey(Grant, on_delete=models.CASCADE, null=True, related_name="tokens")
    scopes = models.TextField()
    expires = models.DateTimeField(db_index=True)


class Refresh(models.Model):
    """A refresh token, good for once: used again, it was stolen, and the grant ends."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    grant = models.ForeignKey(Grant, on_delete=models.CASCADE, related_name="refreshes")
    expires = models.DateTimeField(db_index=True)
    used = models.BooleanField(default=False)


class Assertion(models.Model):
    """A `jti` that a client has used, kept until the assertion would have expired (RFC 7523, 3)."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32)
    expires = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["client", "digest"], name="access_assertion_once")]
