"""deliveries by partner and time"""

from alembic import op

revision = '0042'
down_revision = '0041'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.drop_index('deliveries_waiting')
        batch_op.create_index('deliveries_waiting', ['state', 'partner_id', 'due_at'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.drop_index('deliveries_waiting')
        batch_op.create_index('deliveries_waiting', ['state', 'due_at'], unique=False)
