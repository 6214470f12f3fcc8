"""indexes of the live page"""

from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('sessions_started', 'sessions', ['source', 'started_at'])
    op.create_index('sessions_of_status', 'sessions', ['status'])
    op.create_index('cdrs_ended', 'cdrs', ['source', 'ended_at'])
    op.create_index('stations_in_order', 'stations', ['is_admitted', 'station_id', 'network'])
    op.drop_index('ix_sessions_started_at', 'sessions')
    op.drop_index('ix_cdrs_ended_at', 'cdrs')


def downgrade() -> None:
    op.create_index('ix_cdrs_ended_at', 'cdrs', ['ended_at'])
    op.create_index('ix_sessions_started_at', 'sessions', ['started_at'])
    op.drop_index('stations_in_order', 'stations')
    op.drop_index('cdrs_ended', 'cdrs')
    op.drop_index('sessions_of_status', 'sessions')
    op.drop_index('sessions_started', 'sessions')
