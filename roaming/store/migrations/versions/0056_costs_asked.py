"""whether stations have said that they show costs, or that they do not"""

import sqlalchemy as sa
from alembic import op

revision = '0056'
down_revision = '0055'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('stations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_cost_known', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute('UPDATE stations SET is_cost_known = shows_cost')


def downgrade() -> None:
    with op.batch_alter_table('stations', schema=None) as batch_op:
        batch_op.drop_column('is_cost_known')
