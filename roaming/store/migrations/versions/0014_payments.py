"""payment terminals and confirmations"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('payment_terminals',
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
    with op.batch_alter_table('payment_terminals', schema=None) as batch_op:
        batch_op.create_index('payment_terminals_in_order', ['source', 'is_listed', 'last_updated', 'key'], unique=False)
        batch_op.create_index('payment_terminals_of_owner', ['source', 'scope', 'country_code', 'party_id', 'is_listed', 'last_updated', 'key'], unique=False)

    op.create_table('payment_confirmations',
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
    with op.batch_alter_table('payment_confirmations', schema=None) as batch_op:
        batch_op.create_index('payment_confirmations_in_order', ['source', 'is_listed', 'last_updated', 'key'], unique=False)
        batch_op.create_index('payment_confirmations_of_owner', ['source', 'scope', 'country_code', 'party_id', 'is_listed', 'last_updated', 'key'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('payment_confirmations', schema=None) as batch_op:
        batch_op.drop_index('payment_confirmations_of_owner')
        batch_op.drop_index('payment_confirmations_in_order')

    op.drop_table('payment_confirmations')
    with op.batch_alter_table('payment_terminals', schema=None) as batch_op:
        batch_op.drop_index('payment_terminals_of_owner')
        batch_op.drop_index('payment_terminals_in_order')

    op.drop_table('payment_terminals')
