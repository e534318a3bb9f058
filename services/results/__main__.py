"""`python -m services.results`: serve transcripts until SIGTERM."""

from __future__ import annotations

import sys

import uvicorn

from services.results.app import results_app
from services.results.settings import ResultsSettings
from shared.domain.error import UndertoneError
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.state import blobs_of, database_of
from shared.infra.web_auth import AccessSettings, check_keyless

DRAIN = 30  # seconds for answers under way when told to stop


def main() -> int:
    try:
        settings, access = ResultsSettings(), AccessSettings()
        check_keyless(access.keyless, settings.host)
        database = database_of(DatabaseSettings(), StorageSettings())
        app = results_app(database, blobs_of(StorageSettings()), keyless=access.keyless)
    except UndertoneError as error:
        sys.stderr.write(f"[{error.code}] {error.message}\n" + (f"  → {error.mend}\n" if error.mend else ""))
        return error.exit_status
    # The server's own log of requests would hold what was searched for.
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        server_header=False,
        proxy_headers=not access.keyless,
        timeout_graceful_shutdown=DRAIN,
    )
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
