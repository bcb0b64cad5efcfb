"""What Alembic runs: the migrations, on the connection that `migrate` holds its lock on."""

from __future__ import annotations

from evocache.extras import optional

context = optional("alembic.context")
context.configure(transactional_ddl=True, **context.config.attributes)
with context.begin_transaction():
    context.run_migrations()
