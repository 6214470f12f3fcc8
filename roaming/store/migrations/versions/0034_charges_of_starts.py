"""charges of starts"""

import sqlalchemy as sa
from alembic import op

revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('recent_starts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('transaction_id', sa.String(), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('recent_starts', schema=None) as batch_op:
        batch_op.drop_column('transaction_id')
