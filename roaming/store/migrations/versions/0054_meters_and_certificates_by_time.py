"""meters and certificates of stations by time, to remove what is old"""

from alembic import op

revision = '0054'
down_revision = '0053'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('station_meters_by_time', 'station_meters', ['at'], unique=False)
    op.create_index('station_certificates_by_end', 'station_certificates', ['expires_at'], unique=False)


def downgrade() -> None:
    op.drop_index('station_certificates_by_end', table_name='station_certificates')
    op.drop_index('station_meters_by_time', table_name='station_meters')
