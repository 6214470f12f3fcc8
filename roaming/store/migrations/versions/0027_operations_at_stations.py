"""operations at stations"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('operations',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('batch_id', sa.String(), nullable=False),
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('request', sa.Text(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('who', sa.String(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('outcome', sa.String(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('told', sa.Text(), nullable=False),
    sa.Column('created_at', columns.UtcDateTime(), nullable=False),
    sa.Column('deadline', columns.UtcDateTime(), nullable=False),
    sa.Column('answered_at', columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('operations', schema=None) as batch_op:
        batch_op.create_index('operations_in_order', ['created_at', 'id'], unique=False)
        batch_op.create_index('operations_of_batch', ['batch_id'], unique=False)
        batch_op.create_index('operations_of_station', ['network', 'station_id', 'created_at'], unique=False)
        batch_op.create_index('operations_waiting', ['state', 'deadline'], unique=False)

    op.create_table('station_groups',
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('network', 'station_id')
    )
    with op.batch_alter_table('station_groups', schema=None) as batch_op:
        batch_op.create_index('station_groups_by_name', ['name'], unique=False)

    op.create_table('station_reports',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('at', columns.UtcDateTime(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('status', sa.String(), nullable=False),
    sa.Column('request_id', sa.String(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('station_reports', schema=None) as batch_op:
        batch_op.create_index('station_reports_in_order', ['at'], unique=False)
        batch_op.create_index('station_reports_of_station', ['network', 'station_id', 'at'], unique=False)

    op.create_table('station_tags',
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('tag', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('network', 'station_id', 'tag')
    )
    with op.batch_alter_table('station_tags', schema=None) as batch_op:
        batch_op.create_index('station_tags_by_tag', ['tag'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('station_tags', schema=None) as batch_op:
        batch_op.drop_index('station_tags_by_tag')

    op.drop_table('station_tags')
    with op.batch_alter_table('station_reports', schema=None) as batch_op:
        batch_op.drop_index('station_reports_of_station')
        batch_op.drop_index('station_reports_in_order')

    op.drop_table('station_reports')
    with op.batch_alter_table('station_groups', schema=None) as batch_op:
        batch_op.drop_index('station_groups_by_name')

    op.drop_table('station_groups')
    with op.batch_alter_table('operations', schema=None) as batch_op:
        batch_op.drop_index('operations_waiting')
        batch_op.drop_index('operations_of_station')
        batch_op.drop_index('operations_of_batch')
        batch_op.drop_index('operations_in_order')

    op.drop_table('operations')
