"""credited key"""

import json

import sqlalchemy as sa
from alembic import op

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('cdrs', schema=None) as batch_op:
        batch_op.add_column(sa.Column('credited_key', sa.String(), nullable=True))
        batch_op.create_index(batch_op.f('ix_cdrs_credited_key'), ['credited_key'], unique=False)
    connection = op.get_bind()
    kept = connection.execute(sa.text("SELECT key, document FROM cdrs WHERE document LIKE '%credit_reference_id%'")).all()
    for key, document in kept:
        reference = json.loads(document).get('credit_reference_id')
        if reference:
            owner = key.rsplit('/', 1)[0] if key.count('/') == 2 else '/'.join(key.split('/')[:2])
            connection.execute(
                sa.text("UPDATE cdrs SET credited_key = :credited WHERE key = :key"),
                {'credited': f"{owner}/{reference.casefold()}", 'key': key},
            )


def downgrade() -> None:
    with op.batch_alter_table('cdrs', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_cdrs_credited_key'))
        batch_op.drop_column('credited_key')
