"""partner checks"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('partner_checks',
    sa.Column('partner_id', sa.String(), nullable=False),
    sa.Column('checked_at', columns.UtcDateTime(), nullable=False),
    sa.Column('verdict', sa.String(), nullable=False),
    sa.Column('report', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('partner_id')
    )


def downgrade() -> None:
    op.drop_table('partner_checks')
