"""numbers of rules"""

from alembic import op

revision = '0062'
down_revision = '0061'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 0053 made the table anew on SQLite, and with that lost that no number is given twice
    if op.get_bind().dialect.name == 'sqlite':
        with op.batch_alter_table('rules', recreate='always', table_kwargs={'sqlite_autoincrement': True}):
            pass


def downgrade() -> None:
    pass
