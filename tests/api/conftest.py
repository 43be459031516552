from __future__ import annotations

from tests.plugins.database import database, database_url

__all__ = ["database", "database_url"]
