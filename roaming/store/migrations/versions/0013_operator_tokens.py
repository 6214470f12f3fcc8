"""operator tokens"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('operator_tokens',
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('created_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('name'),
    sa.UniqueConstraint('digest')
    )


def downgrade() -> None:
    op.drop_table('operator_tokens')
