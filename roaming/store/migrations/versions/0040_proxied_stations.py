"""proxied stations"""

import sqlalchemy as sa
from alembic import op

revision = '0040'
down_revision = '0039'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('stations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_proxied', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('missed_frames', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('stations', schema=None) as batch_op:
        batch_op.drop_column('missed_frames')
        batch_op.drop_column('is_proxied')
