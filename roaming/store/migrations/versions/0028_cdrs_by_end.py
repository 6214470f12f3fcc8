"""cdrs by end"""

from alembic import op

revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('cdrs', schema=None) as batch_op:
        batch_op.create_index('cdrs_by_end', ['ended_at', 'key'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('cdrs', schema=None) as batch_op:
        batch_op.drop_index('cdrs_by_end')
