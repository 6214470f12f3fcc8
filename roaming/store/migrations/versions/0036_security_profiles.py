"""security profiles"""

import sqlalchemy as sa
from alembic import op

revision = '0036'
down_revision = '0035'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('stations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('security_profile', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('best_profile', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('wanted_profile', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('stations', schema=None) as batch_op:
        batch_op.drop_column('wanted_profile')
        batch_op.drop_column('best_profile')
        batch_op.drop_column('security_profile')
