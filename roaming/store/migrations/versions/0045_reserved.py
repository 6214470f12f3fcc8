"""reserved"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0045'
down_revision = '0044'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('reserved',
    sa.Column('command_id', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('emsp', sa.String(), nullable=False),
    sa.Column('cpo', sa.String(), nullable=False),
    sa.Column('station_reservation_id', sa.String(), nullable=False),
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('uid', sa.String(), nullable=False),
    sa.Column('token_uid', sa.String(), nullable=False),
    sa.Column('token_type', sa.String(), nullable=False),
    sa.Column('contract_id', sa.String(), nullable=False),
    sa.Column('reference', sa.String(), nullable=False),
    sa.Column('location_id', sa.String(), nullable=False),
    sa.Column('evse_uid', sa.String(), nullable=False),
    sa.Column('connector_id', sa.String(), nullable=False),
    sa.Column('cancelled_by', sa.String(), nullable=False),
    sa.Column('made_at', columns.UtcDateTime(), nullable=False),
    sa.Column('expires_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('command_id')
    )
    with op.batch_alter_table('reserved', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_reserved_station_reservation_id'), ['station_reservation_id'], unique=False)
        batch_op.create_index('reserved_at', ['network', 'station_id'], unique=False)
        batch_op.create_index('reserved_open', ['state', 'expires_at'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('reserved', schema=None) as batch_op:
        batch_op.drop_index('reserved_open')
        batch_op.drop_index('reserved_at')
        batch_op.drop_index(batch_op.f('ix_reserved_station_reservation_id'))

    op.drop_table('reserved')
