"""readings that came late"""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('late_facts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_within', sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table('late_facts', schema=None) as batch_op:
        batch_op.drop_column('is_within')
