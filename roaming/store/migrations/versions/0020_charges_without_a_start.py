"""charges without a start: since when"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

TRANSACTIONS = sa.table('transactions', sa.column('state', sa.String), sa.column('close_at', columns.UtcDateTime()))
UNSTARTED = TRANSACTIONS.c.state.in_(['NEW', 'ORPHAN'])


def upgrade() -> None:
    unknown = TRANSACTIONS.update().where(UNSTARTED, TRANSACTIONS.c.close_at.is_(None))
    op.execute(unknown.values(close_at=datetime.now(UTC)))


def downgrade() -> None:
    op.execute(TRANSACTIONS.update().where(UNSTARTED).values(close_at=None))
