"""books by number"""

from alembic import op

revision = '0052'
down_revision = '0051'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index('ledger_entries_of_book', 'ledger_entries')
    op.create_index('ledger_entries_of_book', 'ledger_entries', ['book', 'id'])


def downgrade() -> None:
    op.drop_index('ledger_entries_of_book', 'ledger_entries')
    op.create_index('ledger_entries_of_book', 'ledger_entries', ['book', 'account'])
