"""profiles of tokens"""

import json

import sqlalchemy as sa
from alembic import op

revision = '0060'
down_revision = '0059'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('driver_tokens', schema=None) as batch_op:
        batch_op.add_column(sa.Column('default_profile_type', sa.String(), nullable=True))
    bind = op.get_bind()
    told = sa.text("SELECT country_code, party_id, uid_folded, type, document FROM tokens WHERE document LIKE :word")
    known = sa.text(
        "UPDATE driver_tokens SET default_profile_type = :profile WHERE uid_folded = :uid"
        " AND country_code = :country_code AND party_id = :party_id AND type = :type"
    )
    rows = [
        {
            'profile': json.loads(document).get('default_profile_type'),
            'uid': uid,
            'country_code': country_code,
            'party_id': party_id,
            'type': kind,
        }
        for country_code, party_id, uid, kind, document in bind.execute(told, {'word': '%default_profile_type%'})
    ]
    for start in range(0, len(rows), 10_000):  # many at once: one by one, each waits for the server
        bind.execute(known, rows[start : start + 10_000])


def downgrade() -> None:
    with op.batch_alter_table('driver_tokens', schema=None) as batch_op:
        batch_op.drop_column('default_profile_type')
