"""bookings by use"""

import json

import sqlalchemy as sa
from alembic import op

from roaming.model.identifiers import fold
from roaming.model.time import parse_timestamp
from roaming.store import columns

revision = '0038'
down_revision = '0037'
branch_labels = None
depends_on = None

BOOKINGS = sa.table(
    'bookings',
    *(sa.column(name, sa.String) for name in ('key', 'document', 'reference', 'place')),
    sa.column('start_at', columns.UtcDateTime()),
    sa.column('end_at', columns.UtcDateTime()),
)
AT_ONCE = 1000


def upgrade() -> None:
    with op.batch_alter_table('bookings', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reference', sa.String(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('place', sa.String(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('start_at', columns.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column('end_at', columns.UtcDateTime(), nullable=True))
    _fill(op.get_bind())
    with op.batch_alter_table('bookings', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_bookings_reference'), ['reference'], unique=False)
        batch_op.create_index('bookings_by_place', ['place', 'end_at'], unique=False)


def _fill(connection: sa.Connection) -> None:
    page = sa.select(BOOKINGS.c.key, BOOKINGS.c.document).order_by(BOOKINGS.c.key).limit(AT_ONCE)
    after = ''
    while rows := connection.execute(page.where(BOOKINGS.c.key > after)).all():
        after = rows[-1][0]
        for key, document in rows:
            booking = json.loads(document)
            values = {
                'reference': fold(booking['authorization_reference']),
                'place': fold(booking['location_id']),
                'start_at': parse_timestamp(booking['period']['start_date_time']),
                'end_at': parse_timestamp(booking['period']['end_date_time']),
            }
            connection.execute(BOOKINGS.update().where(BOOKINGS.c.key == key).values(values))


def downgrade() -> None:
    with op.batch_alter_table('bookings', schema=None) as batch_op:
        batch_op.drop_index('bookings_by_place')
        batch_op.drop_index(batch_op.f('ix_bookings_reference'))
        batch_op.drop_column('end_at')
        batch_op.drop_column('start_at')
        batch_op.drop_column('place')
        batch_op.drop_column('reference')
