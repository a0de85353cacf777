"""Settings of the tests: a database and folders of their own, whatever the environment of the caller says."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Set before the base settings look: a test never touches the user's database, broker or storage.
_VAR = tempfile.mkdtemp(prefix="dynamo-test-")
atexit.register(shutil.rmtree, _VAR, ignore_errors=True)
os.environ["DYNAMO_VAR_DIR"] = _VAR
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", f"sqlite:///{_VAR}/dynamo.sqlite3")
os.environ["CELERY_BROKER_URL"] = os.environ.get("TEST_BROKER_URL", "memory://")
os.environ["DJANGO_SECRET_KEY"] = "only-for-tests-" + "x" * 40

from dynamo_site.settings.base import *  # noqa: E402, F403 - the environment above must be set first
from dynamo_site.settings.base import DATABASES, REST_FRAMEWORK  # noqa: E402 - the same

# A test makes requests as fast as it can; those of the throttles set rates of their own.
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = dict.fromkeys(REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "1000000/min")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MEDIA_ROOT = Path(_VAR) / "files"

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: cycles read through a second connection, as they do in production.
    DATABASES["default"]["TEST"] = {"NAME": f"{_VAR}/test.sqlite3"}

#: Requests that are made up per operation of the API (tests/acceptance/test_api_document.py).
FUZZ_EXAMPLES = int(os.environ.get("DYNAMO_FUZZ_EXAMPLES", "2"))
