"""Run by Alembic. The connection comes from ``roaming.store.migrate``, which also decides what is a table of ours."""

from alembic import context

from roaming.store.migrate import OPTIONS

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes.get("metadata"),
    render_as_batch=connection.dialect.name == "sqlite",
    **OPTIONS,
)
with context.begin_transaction():
    context.run_migrations()
