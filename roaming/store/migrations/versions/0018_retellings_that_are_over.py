"""index of retellings that are over"""

from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_retellings_finished_at', 'retellings', ['finished_at'])


def downgrade() -> None:
    op.drop_index('ix_retellings_finished_at', 'retellings')
