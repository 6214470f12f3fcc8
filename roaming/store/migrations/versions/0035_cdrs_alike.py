"""cdrs alike"""

import json

import sqlalchemy as sa
from alembic import op

revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None

AT_ONCE = 1000


def upgrade() -> None:
    with op.batch_alter_table('cdrs', schema=None) as batch_op:
        batch_op.add_column(sa.Column('alike_token', sa.String(), nullable=True))
        batch_op.add_column(sa.Column('alike_evse', sa.String(), nullable=True))
        batch_op.add_column(sa.Column('alike_session', sa.String(), nullable=True))
    _fill(op.get_bind())
    with op.batch_alter_table('cdrs', schema=None) as batch_op:
        batch_op.create_index('cdrs_by_token', ['alike_token', 'ended_at'], unique=False)
        batch_op.create_index('cdrs_by_evse', ['alike_evse', 'ended_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_cdrs_alike_session'), ['alike_session'], unique=False)


def _fill(connection: sa.Connection) -> None:
    after = ''
    page = sa.text(
        "SELECT key, country_code, party_id, document FROM cdrs WHERE key > :after ORDER BY key LIMIT :at_once"
    )
    change = sa.text("UPDATE cdrs SET alike_token = :token, alike_evse = :evse, alike_session = :session WHERE key = :key")
    while rows := connection.execute(page, {'after': after, 'at_once': AT_ONCE}).all():
        after = rows[-1][0]
        changes = [_alike(*row) for row in rows]
        if changes := [values for values in changes if values is not None]:
            connection.execute(change, changes)


def _alike(key: str, country_code: str, party_id: str, document: str) -> dict[str, str | None] | None:
    cdr = json.loads(document)
    if cdr.get('credit'):
        return None
    place = cdr['cdr_location']
    is_placed = place.get('evse_uid') not in (None, '', '#NA')
    session = cdr.get('session_id')
    owner = (country_code, party_id)
    return {
        'key': key,
        'token': _key(*owner, cdr['cdr_token']['uid']),
        'evse': _key(*owner, place['id'], place['evse_uid']) if is_placed else None,
        'session': _key(*owner, session) if session else None,
    }


def _key(country_code: str, party_id: str, *ids: str) -> str:
    text = "/".join((country_code, party_id, *(id.casefold() for id in ids)))
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")[:255]


def downgrade() -> None:
    with op.batch_alter_table('cdrs', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_cdrs_alike_session'))
        batch_op.drop_index('cdrs_by_evse')
        batch_op.drop_index('cdrs_by_token')
        batch_op.drop_column('alike_session')
        batch_op.drop_column('alike_evse')
        batch_op.drop_column('alike_token')
