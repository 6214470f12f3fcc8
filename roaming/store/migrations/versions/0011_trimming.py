"""indexes of what is trimmed"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

ADDED = (
    ('sent_commands', 'ix_sent_commands_expires_at', ['expires_at']),
    ('reservations', 'ix_reservations_expires_at', ['expires_at']),
    ('active_charging_profiles', 'ix_active_charging_profiles_received_at', ['received_at']),
    ('dead_letters', 'ix_dead_letters_replayed_at', ['replayed_at']),
    ('dead_letters', 'dead_letters_of_consumer', ['consumer', 'at']),
)


def upgrade() -> None:
    for table, name, columns in ADDED:
        op.create_index(name, table, columns)
    done = sa.text('done_at IS NOT NULL')
    op.create_index(
        'deliveries_done', 'deliveries', ['module', 'state', 'done_at'], postgresql_where=done, sqlite_where=done
    )


def downgrade() -> None:
    op.drop_index('deliveries_done', 'deliveries')
    for table, name, _ in reversed(ADDED):
        op.drop_index(name, table)
