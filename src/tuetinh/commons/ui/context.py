"""What the shell shows on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from tuetinh.commons.ui.api import menu

if TYPE_CHECKING:
    from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Rail, place of work and the words that `app.js` says. Nothing is computed for a page without the shell."""
    return {
        "rail": SimpleLazyObject(lambda: _rail(request)),
        "rare": SimpleLazyObject(lambda: menu(*_desk(request), rare=True)),
        "workplace": SimpleLazyObject(lambda: _place(request)),
        "script_words": _words,
        "theme": request.COOKIES.get("theme", "") if request.COOKIES.get("theme") in ("light", "dark") else "",
    }


def _rail(request: HttpRequest) -> list[dict[str, Any]]:
    entries = menu(*_desk(request))
    active = max((url for _, url in entries if _within(request.path, url)), key=len, default="")
    return [
        {
            "url": url,
            "icon": item.icon,
            "label": item.label,
            "active": url == active,
            "badge": item.badge(request) if item.badge else 0,
        }
        for item, url in entries
    ]


def _desk(request: HttpRequest) -> tuple[str, str]:
    return getattr(request.user, "role", ""), getattr(request.user, "facility", "")


def _within(path: str, url: str) -> bool:
    return path == url or path.startswith(url.rstrip("/") + "/")


def _place(request: HttpRequest) -> Any:
    from tuetinh.commons.access.api import facility

    return facility(request.user) if request.user.is_authenticated else None


def _words() -> dict[str, str]:
    return {
        "unsaved": _("Bạn có thay đổi chưa lưu. Rời trang này?"),
        "nothing": _("Không tìm thấy"),
        "error": _("Chưa làm được. Hãy thử lại; nếu vẫn lỗi, báo quản trị."),
        "offline": _("Mất kết nối. Hãy kiểm tra mạng rồi thử lại."),
        "confirm": _("Chắc chắn?"),
        "close": _("Đóng"),
        "choices": _("%d lựa chọn"),
    }
