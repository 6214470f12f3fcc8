"""files and waves"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('file_parts',
    sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('file_id', 'number')
    )
    op.create_table('file_tickets',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('uses', sa.Integer(), nullable=False),
    sa.Column('is_used', sa.Boolean(), nullable=False),
    sa.Column('expires_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('file_tickets', schema=None) as batch_op:
        batch_op.create_index('file_tickets_by_end', ['expires_at'], unique=False)

    op.create_table('files',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('is_complete', sa.Boolean(), nullable=False),
    sa.Column('octets', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('certificate', sa.Text(), nullable=False),
    sa.Column('signature', sa.Text(), nullable=False),
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('who', sa.String(), nullable=False),
    sa.Column('created_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('files', schema=None) as batch_op:
        batch_op.create_index('files_in_order', ['kind', 'created_at'], unique=False)

    op.create_table('wave_stations',
    sa.Column('wave_id', sa.String(), nullable=False),
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('step', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('operation_id', sa.String(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('asked_at', columns.UtcDateTime(), nullable=True),
    sa.Column('ended_at', columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('wave_id', 'network', 'station_id')
    )
    with op.batch_alter_table('wave_stations', schema=None) as batch_op:
        batch_op.create_index('wave_stations_by_state', ['wave_id', 'state', 'step'], unique=False)

    op.create_table('waves',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('who', sa.String(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('at_once', sa.Integer(), nullable=False),
    sa.Column('most_failures', sa.Integer(), nullable=False),
    sa.Column('judged_from', sa.Integer(), nullable=False),
    sa.Column('patience', sa.Integer(), nullable=False),
    sa.Column('forgiven', sa.Integer(), nullable=False),
    sa.Column('created_at', columns.UtcDateTime(), nullable=False),
    sa.Column('ended_at', columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )


def downgrade() -> None:
    op.drop_table('waves')
    with op.batch_alter_table('wave_stations', schema=None) as batch_op:
        batch_op.drop_index('wave_stations_by_state')

    op.drop_table('wave_stations')
    with op.batch_alter_table('files', schema=None) as batch_op:
        batch_op.drop_index('files_in_order')

    op.drop_table('files')
    with op.batch_alter_table('file_tickets', schema=None) as batch_op:
        batch_op.drop_index('file_tickets_by_end')

    op.drop_table('file_tickets')
    op.drop_table('file_parts')
