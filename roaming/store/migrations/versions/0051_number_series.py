"""number series"""

import sqlalchemy as sa
from alembic import op

revision = '0051'
down_revision = '0050'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'number_series',
        sa.Column('seller', sa.String(), nullable=False),
        sa.Column('series', sa.String(), nullable=False),
        sa.Column('last', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('seller', 'series'),
    )
    # Rows of invoices are never changed: those that were issued before have their number for a reference
    op.add_column('invoices', sa.Column('reference', sa.String(), nullable=False, server_default=''))
    op.create_index(
        'invoices_by_reference',
        'invoices',
        ['reference'],
        unique=True,
        sqlite_where=sa.text("reference <> ''"),
        postgresql_where=sa.text("reference <> ''"),
    )


def downgrade() -> None:
    op.drop_index('invoices_by_reference', 'invoices')
    op.drop_column('invoices', 'reference')
    op.drop_table('number_series')
