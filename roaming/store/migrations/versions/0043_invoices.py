"""invoices"""

import sqlalchemy as sa
from alembic import op

import roaming.store.columns

revision = '0043'
down_revision = '0042'
branch_labels = None
depends_on = None


def keep_for_ever(table: str) -> None:
    """Rows of it are never changed and never deleted, whoever tries."""
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
    for what in ('UPDATE', 'DELETE'):
        op.execute(
            f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table}: rows are never changed'); END"
        )


def upgrade() -> None:
    op.create_table(
        'billing_parties',
        sa.Column('party', sa.String(), nullable=False),
        sa.Column('document', sa.Text(), nullable=False),
        sa.Column('changed_at', roaming.store.columns.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint('party'),
    )
    op.create_table(
        'invoices',
        sa.Column('number', sa.String(), nullable=False),
        sa.Column('statement_id', sa.String(), nullable=False),
        sa.Column('closing', sa.Integer(), nullable=False),
        sa.Column('seller', sa.String(), nullable=False),
        sa.Column('buyer', sa.String(), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('cancels', sa.String(), nullable=False),
        sa.Column('issued_at', roaming.store.columns.UtcDateTime(), nullable=False),
        sa.Column('document', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('number'),
    )
    with op.batch_alter_table('invoices', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_invoices_statement_id'), ['statement_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_invoices_seller'), ['seller'], unique=False)
        batch_op.create_index(batch_op.f('ix_invoices_buyer'), ['buyer'], unique=False)
    keep_for_ever('invoices')


def downgrade() -> None:
    op.drop_table('invoices')
    op.drop_table('billing_parties')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute("DROP FUNCTION invoices_stay()")
