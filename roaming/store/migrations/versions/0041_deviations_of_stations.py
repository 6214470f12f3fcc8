"""deviations of stations"""

import sqlalchemy as sa
from alembic import op

<<<<<<<< HEAD:roaming/store/migrations/versions/0041_deviations_of_stations.py
revision = '0041'
down_revision = '0040'
========
revision = '0040'
down_revision = '0039'
>>>>>>>> e850d35 (Deviations of stations are migration 40):roaming/store/migrations/versions/0040_deviations_of_stations.py
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('stations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('deviations', sa.Text(), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('stations', schema=None) as batch_op:
        batch_op.drop_column('deviations')
