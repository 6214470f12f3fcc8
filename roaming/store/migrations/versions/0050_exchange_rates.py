"""exchange rates"""

import sqlalchemy as sa
from alembic import op

import roaming.store.columns

revision = '0050'
down_revision = '0049'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'exchange_rates',
        sa.Column('source', sa.String(), nullable=False),
        sa.Column('currency', sa.String(), nullable=False),
        sa.Column('day', sa.String(), nullable=False),
        sa.Column('base', sa.String(), nullable=False),
        sa.Column('value', sa.String(), nullable=False),
        sa.Column('changed_at', roaming.store.columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint('source', 'currency', 'day'),
    )


def downgrade() -> None:
    op.drop_table('exchange_rates')
