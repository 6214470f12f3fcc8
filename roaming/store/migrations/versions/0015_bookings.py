"""booking locations and bookings"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('booking_locations',
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('country_code', sa.String(), nullable=False),
    sa.Column('party_id', sa.String(), nullable=False),
    sa.Column('object_id', sa.String(), nullable=False),
    sa.Column('source', sa.String(), nullable=False),
    sa.Column('scope', sa.String(), nullable=False),
    sa.Column('is_listed', sa.Boolean(), nullable=False),
    sa.Column('origin_version', sa.String(), nullable=False),
    sa.Column('last_updated', columns.UtcDateTime(), nullable=False),
    sa.Column('received_at', columns.UtcDateTime(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('live', sa.Text(), nullable=False),
    sa.Column('text_2_1_1', sa.Text(), nullable=True),
    sa.Column('text_2_2_1', sa.Text(), nullable=True),
    sa.Column('text_2_3_0', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('key')
    )
    with op.batch_alter_table('booking_locations', schema=None) as batch_op:
        batch_op.create_index('booking_locations_in_order', ['source', 'is_listed', 'last_updated', 'key'], unique=False)
        batch_op.create_index('booking_locations_of_owner', ['source', 'scope', 'country_code', 'party_id', 'is_listed', 'last_updated', 'key'], unique=False)

    op.create_table('bookings',
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('country_code', sa.String(), nullable=False),
    sa.Column('party_id', sa.String(), nullable=False),
    sa.Column('object_id', sa.String(), nullable=False),
    sa.Column('source', sa.String(), nullable=False),
    sa.Column('scope', sa.String(), nullable=False),
    sa.Column('is_listed', sa.Boolean(), nullable=False),
    sa.Column('origin_version', sa.String(), nullable=False),
    sa.Column('last_updated', columns.UtcDateTime(), nullable=False),
    sa.Column('received_at', columns.UtcDateTime(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('live', sa.Text(), nullable=False),
    sa.Column('text_2_1_1', sa.Text(), nullable=True),
    sa.Column('text_2_2_1', sa.Text(), nullable=True),
    sa.Column('text_2_3_0', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('key')
    )
    with op.batch_alter_table('bookings', schema=None) as batch_op:
        batch_op.create_index('bookings_in_order', ['source', 'is_listed', 'last_updated', 'key'], unique=False)
        batch_op.create_index('bookings_of_owner', ['source', 'scope', 'country_code', 'party_id', 'is_listed', 'last_updated', 'key'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('bookings', schema=None) as batch_op:
        batch_op.drop_index('bookings_of_owner')
        batch_op.drop_index('bookings_in_order')

    op.drop_table('bookings')
    with op.batch_alter_table('booking_locations', schema=None) as batch_op:
        batch_op.drop_index('booking_locations_of_owner')
        batch_op.drop_index('booking_locations_in_order')

    op.drop_table('booking_locations')
