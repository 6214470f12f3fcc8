"""places of what is passed on"""

import sqlalchemy as sa
from alembic import op

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('hub_whereabouts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('place', sa.Text(), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('hub_whereabouts', schema=None) as batch_op:
        batch_op.drop_column('place')
