"""waves whose stations boot"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('wave_stations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('firmware_before', sa.String(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('nudged_at', columns.UtcDateTime(), nullable=True))



def downgrade() -> None:
    with op.batch_alter_table('wave_stations', schema=None) as batch_op:
        batch_op.drop_column('nudged_at')
        batch_op.drop_column('firmware_before')

