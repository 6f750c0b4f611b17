"""Alembic's entry: run the steps over the connection that ``db.migrate`` opened."""

from alembic import context

from medperf.server.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
