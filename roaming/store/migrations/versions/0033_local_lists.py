"""local lists"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('local_lists',
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('known', sa.Text(), nullable=False),
    sa.Column('wanted', sa.Text(), nullable=False),
    sa.Column('sent', sa.Text(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('operation_id', sa.String(), nullable=False),
    sa.Column('per_message', sa.Integer(), nullable=False),
    sa.Column('who', sa.String(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('updated_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('network', 'station_id')
    )
    with op.batch_alter_table('local_lists', schema=None) as batch_op:
        batch_op.create_index('local_lists_by_operation', ['operation_id'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('local_lists', schema=None) as batch_op:
        batch_op.drop_index('local_lists_by_operation')

    op.drop_table('local_lists')
