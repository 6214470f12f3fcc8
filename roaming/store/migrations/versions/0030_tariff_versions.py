"""tariff versions"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('tariff_versions',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('source', sa.String(), nullable=False),
    sa.Column('last_updated', columns.UtcDateTime(), nullable=False),
    sa.Column('received_at', columns.UtcDateTime(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('tariff_versions', schema=None) as batch_op:
        batch_op.create_index('tariff_versions_of', ['key', 'id'], unique=False)
    op.execute(
        'INSERT INTO tariff_versions (key, source, last_updated, received_at, document)'
        ' SELECT key, source, last_updated, received_at, document FROM tariffs'
    )


def downgrade() -> None:
    with op.batch_alter_table('tariff_versions', schema=None) as batch_op:
        batch_op.drop_index('tariff_versions_of')

    op.drop_table('tariff_versions')
