"""times and tokens of rules"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0053'
down_revision = '0052'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('rules', schema=None) as batch_op:
        batch_op.add_column(sa.Column('token_group', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('valid_from', columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('valid_until', columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('is_in_force', sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('rules', schema=None) as batch_op:
        batch_op.drop_column('is_in_force')
        batch_op.drop_column('valid_until')
        batch_op.drop_column('valid_from')
        batch_op.drop_column('token_group')
