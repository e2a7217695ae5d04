"""Forms of the access pages."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.commons.access.models import Account
from tuetinh.commons.access.oauth import scopes
from tuetinh.commons.access.oauth.clients import LOCAL, check_keys, check_keys_url
from tuetinh.commons.access.oauth.words import OAuthError
from tuetinh.commons.access.proof.policy import least_length
from tuetinh.commons.access.queries import grantable
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.words import USERNAME


class LoginForm(AuthenticationForm):
    """User name and password, in the words of the desk; the same answer whether the name or the password is wrong."""

    error_messages = {  # noqa: RUF012 - Django's own is no ClassVar either
        "invalid_login": gettext_lazy("Tên đăng nhập hoặc mật khẩu chưa đúng. Hãy kiểm tra phím Caps Lock và gõ lại."),
        "inactive": gettext_lazy("Tên đăng nhập hoặc mật khẩu chưa đúng. Hãy kiểm tra phím Caps Lock và gõ lại."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = gettext_lazy("Tên đăng nhập")
        self.fields["username"].widget.attrs |= {"autocomplete": "username", "spellcheck": "false"}
        self.fields["password"].label = gettext_lazy("Mật khẩu")


class OwnPasswordForm(PasswordChangeForm):
    """Old password once, new one twice."""

    error_messages = {  # noqa: RUF012
        "password_incorrect": gettext_lazy("Mật khẩu hiện tại chưa đúng."),
        "password_mismatch": gettext_lazy("Hai lần gõ mật khẩu mới không giống nhau."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].label = gettext_lazy("Mật khẩu hiện tại")
        self.fields["new_password1"].label = gettext_lazy("Mật khẩu mới")
        self.fields["new_password1"].help_text = _(
            "Ít nhất %(least)d ký tự, không chỉ gồm chữ số, không giống tên của bạn."
        ) % {"least": least_length(self.user)}
        self.fields["new_password2"].label = gettext_lazy("Gõ lại mật khẩu mới")


class NewAccountForm(forms.Form):
    """A new colleague at the administrator's facility."""

    full_name = forms.CharField(label=gettext_lazy("Họ và tên"), max_length=200)
    username = forms.CharField(
        label=gettext_lazy("Tên đăng nhập"),
        max_length=100,
        help_text=gettext_lazy("Chữ thường không dấu, số, dấu chấm hoặc gạch nối. Ví dụ: lan.tran"),
        validators=[
            RegexValidator(
                USERNAME, gettext_lazy("Chỉ dùng chữ thường không dấu, chữ số, dấu chấm, gạch nối; ít nhất 3 ký tự.")
            )
        ],
    )
    role = forms.ChoiceField(label=gettext_lazy("Bàn làm việc"))

    def __init__(self, *args: Any, by: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [(name, ROLES[name].label) for name in grantable(by)]  # type: ignore[attr-defined]

    def clean_username(self) -> str:
        """Say at once that a name is taken; the action says it again if someone was faster."""
        name: str = self.cleaned_data["username"]
        if Account.objects.filter(username=name).exists():
            raise forms.ValidationError(gettext_lazy("Tên đăng nhập này đã có người dùng. Hãy chọn tên khác."))
        return name


class KeysForm(forms.Form):
    """Public keys of a connected system, or where they are."""

    jwks_url = forms.CharField(label=gettext_lazy("Địa chỉ của khóa (JWKS)"), required=False, max_length=500)
    jwks = forms.CharField(
        label=gettext_lazy("Khóa (JWKS)"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean_jwks(self) -> dict[str, Any] | None:
        """Public keys only."""
        text: str = self.cleaned_data["jwks"].strip()
        try:
            return check_keys(json.loads(text)) if text else None
        except ValueError:
            raise forms.ValidationError(gettext_lazy("Đây không phải một JWKS chỉ có khóa công khai.")) from None

    def clean_jwks_url(self) -> str:
        """An address that keys may be fetched from."""
        text: str = self.cleaned_data["jwks_url"].strip()
        try:
            return check_keys_url(text) if text else ""
        except ValueError:
            raise forms.ValidationError(gettext_lazy("Khóa phải được lấy qua https.")) from None


class NewAppForm(KeysForm):
    """A connected system, or an app that people use."""

    name = forms.CharField(label=gettext_lazy("Tên hệ thống hoặc ứng dụng"), max_length=200)
    client_id = forms.CharField(
        label=gettext_lazy("Mã (client_id)"),
        max_length=64,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]{2,}$", gettext_lazy("Chữ thường không dấu, số, gạch nối."))],
    )
    proof = forms.ChoiceField(
        label=gettext_lazy("Chứng minh bằng"),
        choices=[
            ("keys", gettext_lazy("Khóa công khai (JWKS)")),
            ("secret", gettext_lazy("Mật khẩu ứng dụng")),
            ("none", gettext_lazy("Không có: ứng dụng chạy trong trình duyệt hoặc điện thoại")),
        ],
    )
    scopes = forms.CharField(
        label=gettext_lazy("Phạm vi (scope)"),
        max_length=scopes.MOST,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Chỉ những gì cần. Ví dụ: launch patient/Patient.rs patient/Observation.rs"),
    )
    redirect_uris = forms.CharField(
        label=gettext_lazy("Địa chỉ quay về, mỗi dòng một địa chỉ"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    launch_url = forms.CharField(label=gettext_lazy("Địa chỉ khởi chạy"), required=False, max_length=500)
    field_order = ("name", "client_id", "proof", "scopes", "redirect_uris", "launch_url")

    def clean_scopes(self) -> str:
        """Scopes that are in order; a system never needs every type at once, nor an app to write it."""
        try:
            plain, data = scopes.split(self.cleaned_data["scopes"])
        except OAuthError as error:
            raise forms.ValidationError(error.description) from None
        if any(one.type == "*" and (one.level == "system" or set("cud") & set(one.letters)) for one in data):
            raise forms.ValidationError(gettext_lazy("Hãy nêu từng loại dữ liệu, không dùng *."))
        return " ".join([*plain, *map(str, data)])

    def clean_redirect_uris(self) -> str:
        """Addresses to come back to, compared letter by letter later."""
        return "\n".join(_app_address(text) for text in self.cleaned_data["redirect_uris"].split())

    def clean_launch_url(self) -> str:
        """The address where the app begins."""
        text: str = self.cleaned_data["launch_url"].strip()
        return _app_address(text) if text else ""

    def clean(self) -> dict[str, Any]:
        """What must go together: keys with their proof, addresses with apps, and system scopes with systems."""
        data = super().clean() or self.cleaned_data
        if data.get("proof") == "keys" and not (data.get("jwks") or data.get("jwks_url")):
            self.add_error("jwks", gettext_lazy("Cần khóa, hoặc địa chỉ của khóa."))
        levels = {name.partition("/")[0] for name in data.get("scopes", "").split() if name not in scopes.PLAIN}
        is_system = "system" in levels or scopes.INTROSPECTION in data.get("scopes", "").split()
        if is_system and (data.get("redirect_uris") or levels - {"system"} or data.get("proof") == "none"):
            self.add_error("scopes", gettext_lazy("Phạm vi system/ chỉ dành cho hệ thống tự kết nối."))
        if not is_system and not data.get("redirect_uris"):
            self.add_error("redirect_uris", gettext_lazy("Ứng dụng cần ít nhất một địa chỉ quay về."))
        return data


def _app_address(text: str) -> str:
    """An address of an app: https, or http on this very machine, without fragment (RFC 6749, 3.1.2)."""
    try:
        parts = urlsplit(text)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)
    except ValueError:
        is_safe = False
    if not is_safe or not parts.hostname or parts.fragment or parts.username or "#" in text or len(text) > 500:
        raise forms.ValidationError(gettext_lazy("Địa chỉ phải bắt đầu bằng https:// và không có dấu #."))
    return text
