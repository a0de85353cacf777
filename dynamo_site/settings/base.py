"""Settings of the embedded default: SQLite, local broker transport, local folders; every choice can be set by environment.

``docs/configuration.md`` has the table of variables. Production starts from ``dynamo_site.settings.production``.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import environ

from dynamo_site.settings.unfold import UNFOLD  # noqa: F401 - a setting: the looks and the sidebar of the admin site

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

#: Everything that Dynamo writes on the embedded default lives here: database, broker, decisions, sample storage.
VAR_DIR = Path(env.str("DYNAMO_VAR_DIR", default=str(BASE_DIR / "var"))).resolve()


def _embedded_secret_key() -> str:
    """Return the key made up at the first start of the embedded default and kept readable by its owner alone."""
    path = VAR_DIR / "secret_key"
    if not path.exists():
        VAR_DIR.mkdir(parents=True, exist_ok=True)
        # Linked into place when it is whole: nobody reads a part, a full disk leaves none, and of two first starts one wins.
        descriptor, part = tempfile.mkstemp(dir=VAR_DIR, prefix=".secret_key-")
        try:
            with os.fdopen(descriptor, "w") as handle:
                handle.write(secrets.token_urlsafe(50))
            with suppress(FileExistsError):
                os.link(part, path)
        finally:
            Path(part).unlink()
    return path.read_text()


SECRET_KEY = env.str("DJANGO_SECRET_KEY", default="") or _embedded_secret_key()
DEBUG = env.bool("DJANGO_DEBUG", default=False)
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "dynamo_site.apps.DynamoSiteConfig",
    "operations",
    "campaigns",
    "policies",
    "inventory",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.guardian",
    "unfold.contrib.simple_history",
    "dynamo_site.apps.DynamoAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "guardian",
    "simple_history",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "dynamo_site.urls"
WSGI_APPLICATION = "dynamo_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

SQLITE_OPTIONS = {
    # WAL lets web, worker and beat read while one writes; IMMEDIATE takes the write lock at BEGIN, so that a
    # transaction waits for its turn instead of failing half-way.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;",
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
}


def database_from_environment() -> dict[str, object]:
    """Return Django's settings of the database that ``DATABASE_URL`` names, or of SQLite under ``VAR_DIR``."""
    database: dict[str, object] = env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'dynamo.sqlite3'}")
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["OPTIONS"] = SQLITE_OPTIONS
    else:
        database["CONN_HEALTH_CHECKS"] = True
    return database


DATABASES = {"default": database_from_environment()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/admin/"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = VAR_DIR / "files"
MEDIA_URL = "files/"

# What a filter shows that is not used.
FILTERS_EMPTY_CHOICE_LABEL = "any"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "dynamo_site.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated", "dynamo_site.api.permissions.ViewPermissions"],
    "DEFAULT_FILTER_BACKENDS": ["dynamo_site.api.filters.StrictFilterBackend", "dynamo_site.api.filters.ObjectRightsFilter"],
    "DEFAULT_PAGINATION_CLASS": "dynamo_site.api.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "dynamo_site.api.schema.DynamoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["dynamo_site.api.parsers.StrictJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": [
        "dynamo_site.api.throttling.AnonymousThrottle",
        "rest_framework.throttling.UserRateThrottle",
        "dynamo_site.api.throttling.TokenRateThrottle",
        "dynamo_site.api.throttling.CostThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "user": env.str("DYNAMO_API_RATE", default="1200/min"),
        "token": env.str("DYNAMO_API_TOKEN_RATE", default="1200/min"),
        "expensive": env.str("DYNAMO_API_EXPENSIVE_RATE", default="60/min"),
        "anonymous": env.str("DYNAMO_API_ANONYMOUS_RATE", default="60/min"),
    },
    "NUM_PROXIES": env.int("DYNAMO_PROXIES", default=0),
    "EXCEPTION_HANDLER": "dynamo_site.api.errors.exception_handler",
}
#: Bodies beyond this are refused before they are read; the largest policy text has 6 million characters.
DYNAMO_API_MAX_BODY_BYTES = env.int("DYNAMO_API_MAX_BODY_BYTES", default=16 * 2**20)
DATA_UPLOAD_MAX_MEMORY_SIZE = DYNAMO_API_MAX_BODY_BYTES
#: Documents sent to be injected are streamed to a file and may be as large as this.
DYNAMO_INJECT_MAX_BYTES = env.int("DYNAMO_INJECT_MAX_BYTES", default=4 * 2**30)
#: So long the answer to a request with an idempotency key is repeated.
DYNAMO_IDEMPOTENCY_HOURS = env.float("DYNAMO_IDEMPOTENCY_HOURS", default=24.0)
#: Counts of the throttles; shared by all web processes only where a server keeps them.
CACHES = {"default": env.cache_url("DYNAMO_CACHE_URL", default="locmemcache://")}
KNOX_TOKEN_MODEL = "knox.AuthToken"  # noqa: S105 - the model that dynamo_site.ApiToken extends
#: Days that a token lives where nothing else is asked for.
DYNAMO_TOKEN_DAYS = env.int("DYNAMO_TOKEN_DAYS", default=90)
REST_KNOX = {"TOKEN_TTL": timedelta(days=DYNAMO_TOKEN_DAYS), "AUTO_REFRESH": False}
SPECTACULAR_SETTINGS = {
    "TITLE": "Dynamo",
    "DESCRIPTION": "What is stored where, what policies decide about it, and what was deleted. Sizes are bytes, times are UTC.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["dynamo_site.api.schema.only_version_1"],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "RunState": "policies.choices.CycleState.choices",
        "CycleKind": "policies.choices.CycleKind.choices",
        "PlanKind": "policies.choices.PlanKind.choices",
        "PlanState": "policies.choices.PlanState.choices",
        "DeletionState": "operations.choices.DeletionState.choices",
        "DeletionRequestState": "operations.choices.DeletionRequestState.choices",
        "FileOutcome": "operations.choices.FileOutcome.choices",
        "RestoreOutcome": "operations.choices.RestoreOutcome.choices",
        "CampaignState": "campaigns.choices.CampaignState.choices",
        "CampaignVerdict": "campaigns.choices.Verdict.choices",
        "ExceptionState": "campaigns.choices.ExceptionState.choices",
        "NoticeKind": "campaigns.choices.NoticeKind.choices",
    },
}

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Polars keeps a pool of threads that a forked child does not inherit: a prefork worker dies in the middle of a cycle.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.int("CELERY_WORKER_CONCURRENCY", default=4)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"
if CELERY_BROKER_URL.startswith("filesystem://"):
    _broker = VAR_DIR / "broker"
    for _folder in ("queue", "control"):
        (_broker / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker / "queue"),
        "data_folder_out": str(_broker / "queue"),
        "control_folder": str(_broker / "control"),
        "polling_interval": 0.1,
    }

# Safety limits (docs/safety-limits.md). Fractions, not per cent: 0.15 is 15 %.
DYNAMO_MAX_SITE_FRACTION = env.float("DYNAMO_MAX_SITE_FRACTION", default=0.15)
DYNAMO_MAX_PARTITION_FRACTION = env.float("DYNAMO_MAX_PARTITION_FRACTION", default=0.10)
DYNAMO_MAX_INVENTORY_AGE_HOURS = env.float("DYNAMO_MAX_INVENTORY_AGE_HOURS", default=168.0)
DYNAMO_PLAN_PATIENCE_HOURS = env.float("DYNAMO_PLAN_PATIENCE_HOURS", default=24.0)
DYNAMO_READING_DAYS = env.int("DYNAMO_READING_DAYS", default=730)
DYNAMO_CYCLE_MAX_SILENCE_MINUTES = env.float("DYNAMO_CYCLE_MAX_SILENCE_MINUTES", default=60.0)
DYNAMO_EVIDENCE_DAYS = env.float("DYNAMO_EVIDENCE_DAYS", default=90.0)
DYNAMO_COMPARISON_DAYS = env.float("DYNAMO_COMPARISON_DAYS", default=30.0)

# What is removed when it is old (docs/retention.md); 0: never.
DYNAMO_DECISIONS_DAYS = env.float("DYNAMO_DECISIONS_DAYS", default=0.0)
DYNAMO_DELETION_DETAIL_DAYS = env.float("DYNAMO_DELETION_DETAIL_DAYS", default=365.0)
DYNAMO_DOCUMENT_DAYS = env.float("DYNAMO_DOCUMENT_DAYS", default=30.0)
DYNAMO_JOB_DAYS = env.float("DYNAMO_JOB_DAYS", default=365.0)

# Campaigns (docs/campaigns.md).
DYNAMO_CAMPAIGN_NOTICE_DAYS = env.float("DYNAMO_CAMPAIGN_NOTICE_DAYS", default=14.0)
DYNAMO_BASE_URL = env.str("DYNAMO_BASE_URL", default="http://localhost:8000")

DYNAMO_DELETION_ATTEMPTS = env.int("DYNAMO_DELETION_ATTEMPTS", default=3)
DYNAMO_DELETION_BACK_OFF_SECONDS = env.float("DYNAMO_DELETION_BACK_OFF_SECONDS", default=15.0)
DYNAMO_DELETION_BATCHES_PER_SITE = env.int("DYNAMO_DELETION_BATCHES_PER_SITE", default=4)
DYNAMO_DELETION_BATCHES_PER_TAPE_SITE = env.int("DYNAMO_DELETION_BATCHES_PER_TAPE_SITE", default=1)
DYNAMO_DELETION_BYTES_PER_DAY = env.int("DYNAMO_DELETION_BYTES_PER_DAY", default=0)
DYNAMO_DELETION_FILES_PER_SECOND = env.float("DYNAMO_DELETION_FILES_PER_SECOND", default=0.0)
DYNAMO_DELETION_LEASE_SECONDS = env.float("DYNAMO_DELETION_LEASE_SECONDS", default=120.0)
DYNAMO_DELETION_LONGEST_BACK_OFF_SECONDS = env.float("DYNAMO_DELETION_LONGEST_BACK_OFF_SECONDS", default=3600.0)

# What scans of storages find, and when it counts (docs/scan.md).
DYNAMO_SCAN_APPLIES_MISSING = env.bool("DYNAMO_SCAN_APPLIES_MISSING", default=False)
DYNAMO_SCAN_DARK_DAYS = env.float("DYNAMO_SCAN_DARK_DAYS", default=28.0)
DYNAMO_SCAN_DARK_FRACTION = env.float("DYNAMO_SCAN_DARK_FRACTION", default=0.01)
DYNAMO_SCAN_FILES_PER_SECOND = env.float("DYNAMO_SCAN_FILES_PER_SECOND", default=5000.0)
DYNAMO_SCAN_MISSING_FRACTION = env.float("DYNAMO_SCAN_MISSING_FRACTION", default=0.01)

# What was deleted can be brought back for so long (docs/deleting.md).
DYNAMO_TRASH_DAYS = env.float("DYNAMO_TRASH_DAYS", default=7.0)
DYNAMO_TRASH_PURGE_AT_FRACTION = env.float("DYNAMO_TRASH_PURGE_AT_FRACTION", default=0.0)
DYNAMO_TRASH_TAPE_DAYS = env.float("DYNAMO_TRASH_TAPE_DAYS", default=30.0)

# Credentials of storages: one folder per site, never in the database (docs/storages.md).
DYNAMO_STORAGE_SECRETS = env.path("DYNAMO_STORAGE_SECRETS", default=VAR_DIR / "secrets")

DYNAMO_DELETION_TAPE_BYTES_PER_DAY = env.int("DYNAMO_DELETION_TAPE_BYTES_PER_DAY", default=0)
DYNAMO_DELETION_TAPE_FILES_PER_SECOND = env.float("DYNAMO_DELETION_TAPE_FILES_PER_SECOND", default=10.0)

EMAIL_BACKEND = env.str("DJANGO_EMAIL_BACKEND", default="django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = env.str("DJANGO_EMAIL_HOST", default="localhost")
EMAIL_PORT = env.int("DJANGO_EMAIL_PORT", default=25)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DJANGO_DEFAULT_FROM_EMAIL", default="dynamo@localhost")

# Celery logs as the rest does.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
DYNAMO_METRICS_TOKEN = env.str("DYNAMO_METRICS_TOKEN", default="")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        # With all that the line carries in ``extra``: the ids of what it is about.
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{name}{message}",
            "style": "{",
            "rename_fields": {"asctime": "at", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": env.str("DYNAMO_LOG_FORMAT", default="plain")}},
    "root": {"handlers": ["stderr"], "level": env.str("DJANGO_LOG_LEVEL", default="INFO")},
    # One line for each request to a storage would be one for each file.
    "loggers": {name: {"level": "WARNING"} for name in ("httpx", "httpcore", "botocore", "aiobotocore", "s3fs", "fsspec")},
}
