"""billing"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


# Rows of these are never changed and never deleted, whoever tries
FOR_EVER = ('ledger_entries', 'statement_events')


def keep_for_ever(table: str) -> None:
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(
            f"CREATE FUNCTION {table}_stay() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{table}: rows are never changed'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_stay BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {table}_stay()"
        )
        return
    for change in ('UPDATE', 'DELETE'):
        op.execute(
            f"CREATE TRIGGER {table}_stay_{change.lower()} BEFORE {change} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table}: rows are never changed'); END"
        )


def upgrade() -> None:
    op.create_table('cdr_verdicts',
    sa.Column('cdr_key', sa.String(), nullable=False),
    sa.Column('partner_id', sa.String(), nullable=False),
    sa.Column('cpo', sa.String(), nullable=False),
    sa.Column('emsp', sa.String(), nullable=False),
    sa.Column('outcome', sa.String(), nullable=False),
    sa.Column('at_stake', sa.String(), nullable=False),
    sa.Column('currency', sa.String(), nullable=False),
    sa.Column('findings', sa.Text(), nullable=False),
    sa.Column('checked_at', columns.UtcDateTime(), nullable=False),
    sa.Column('decision', sa.String(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('decided_at', columns.UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('cdr_key')
    )
    with op.batch_alter_table('cdr_verdicts', schema=None) as batch_op:
        batch_op.create_index('cdr_verdicts_by_outcome', ['outcome', 'partner_id'], unique=False)

    op.create_table('check_rules',
    sa.Column('partner_id', sa.String(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('changed_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('partner_id')
    )
    op.create_table('disputes',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('cdr_key', sa.String(), nullable=False),
    sa.Column('cpo', sa.String(), nullable=False),
    sa.Column('emsp', sa.String(), nullable=False),
    sa.Column('raised_by', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('at_stake', sa.String(), nullable=False),
    sa.Column('currency', sa.String(), nullable=False),
    sa.Column('opened_at', columns.UtcDateTime(), nullable=False),
    sa.Column('due_at', columns.UtcDateTime(), nullable=False),
    sa.Column('closed_at', columns.UtcDateTime(), nullable=True),
    sa.Column('resolution', sa.Text(), nullable=False),
    sa.Column('evidence', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('disputes', schema=None) as batch_op:
        batch_op.create_index('disputes_of_cdr', ['cdr_key', 'state'], unique=False)

    op.create_table('ledger_entries',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('posting', sa.String(), nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('at', columns.UtcDateTime(), nullable=False),
    sa.Column('book', sa.String(), nullable=False),
    sa.Column('account', sa.String(), nullable=False),
    sa.Column('counterparty', sa.String(), nullable=False),
    sa.Column('currency', sa.String(), nullable=False),
    sa.Column('debit', sa.String(), nullable=False),
    sa.Column('credit', sa.String(), nullable=False),
    sa.Column('cdr_key', sa.String(), nullable=False),
    sa.Column('statement_id', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('ledger_entries', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ledger_entries_cdr_key'), ['cdr_key'], unique=False)
        batch_op.create_index('ledger_entries_of_book', ['book', 'account'], unique=False)
        batch_op.create_index('ledger_entries_once', ['posting', 'line'], unique=True)

    op.create_table('settled_cdrs',
    sa.Column('cdr_key', sa.String(), nullable=False),
    sa.Column('statement_id', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('cdr_key')
    )
    with op.batch_alter_table('settled_cdrs', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_settled_cdrs_statement_id'), ['statement_id'], unique=False)

    op.create_table('settlement_terms',
    sa.Column('cpo', sa.String(), nullable=False),
    sa.Column('emsp', sa.String(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('changed_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('cpo', 'emsp')
    )
    op.create_table('statement_events',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('statement_id', sa.String(), nullable=False),
    sa.Column('at', columns.UtcDateTime(), nullable=False),
    sa.Column('what', sa.String(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('statement_events', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_statement_events_statement_id'), ['statement_id'], unique=False)

    op.create_table('statements',
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('one', sa.String(), nullable=False),
    sa.Column('other', sa.String(), nullable=False),
    sa.Column('month', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('closings', sa.Integer(), nullable=False),
    sa.Column('changed_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )

    for table in FOR_EVER:
        keep_for_ever(table)


def downgrade() -> None:
    op.drop_table('statements')
    with op.batch_alter_table('statement_events', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_statement_events_statement_id'))

    op.drop_table('statement_events')
    op.drop_table('settlement_terms')
    with op.batch_alter_table('settled_cdrs', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_settled_cdrs_statement_id'))

    op.drop_table('settled_cdrs')
    with op.batch_alter_table('ledger_entries', schema=None) as batch_op:
        batch_op.drop_index('ledger_entries_once')
        batch_op.drop_index('ledger_entries_of_book')
        batch_op.drop_index(batch_op.f('ix_ledger_entries_cdr_key'))

    op.drop_table('ledger_entries')
    with op.batch_alter_table('disputes', schema=None) as batch_op:
        batch_op.drop_index('disputes_of_cdr')

    op.drop_table('disputes')
    op.drop_table('check_rules')
    with op.batch_alter_table('cdr_verdicts', schema=None) as batch_op:
        batch_op.drop_index('cdr_verdicts_by_outcome')

    op.drop_table('cdr_verdicts')
    if op.get_bind().dialect.name == 'postgresql':
        for table in FOR_EVER:
            op.execute(f"DROP FUNCTION {table}_stay()")
