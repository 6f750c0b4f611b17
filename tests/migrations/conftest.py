"""Empty databases of both kinds."""

from server_databases import (  # noqa: F401 - fixtures
    databases,
    postgresql_databases,
    sqlite_databases,
)
