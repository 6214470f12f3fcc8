"""certificates of stations"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0044'
down_revision = '0043'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('station_certificates',
    sa.Column('fingerprint', sa.String(), nullable=False),
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('serial_number', sa.String(), nullable=False),
    sa.Column('expires_at', columns.UtcDateTime(), nullable=False),
    sa.Column('known_since', columns.UtcDateTime(), nullable=False),
    sa.Column('shown_at', columns.UtcDateTime(), nullable=True),
    sa.Column('revoked_at', columns.UtcDateTime(), nullable=True),
    sa.Column('revoked_by', sa.String(), nullable=False),
    sa.Column('revoked_why', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('fingerprint')
    )
    with op.batch_alter_table('station_certificates', schema=None) as batch_op:
        batch_op.create_index('station_certificates_of', ['network', 'station_id'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('station_certificates', schema=None) as batch_op:
        batch_op.drop_index('station_certificates_of')

    op.drop_table('station_certificates')
