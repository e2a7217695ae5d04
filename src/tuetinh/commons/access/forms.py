"""Forms of the access pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy

from tuetinh.commons.access.models import Account
from tuetinh.commons.access.queries import GRANTABLE
from tuetinh.commons.access.roles import ROLES


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
        self.fields["new_password1"].help_text = gettext_lazy(
            "Ít nhất 10 ký tự, không chỉ gồm chữ số, không giống tên của bạn."
        )
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
                r"^[a-z0-9][a-z0-9._-]{2,}$",
                gettext_lazy("Chỉ dùng chữ thường không dấu, chữ số, dấu chấm, gạch nối; ít nhất 3 ký tự."),
            )
        ],
    )
    role = forms.ChoiceField(label=gettext_lazy("Bàn làm việc"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [(name, ROLES[name].label) for name in GRANTABLE]  # type: ignore[attr-defined]

    def clean_username(self) -> str:
        """Say at once that a name is taken; the action says it again if someone was faster."""
        name: str = self.cleaned_data["username"]
        if Account.objects.filter(username=name).exists():
            raise forms.ValidationError(gettext_lazy("Tên đăng nhập này đã có người dùng. Hãy chọn tên khác."))
        return name
