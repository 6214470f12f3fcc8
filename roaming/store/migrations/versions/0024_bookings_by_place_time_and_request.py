"""bookings by place, time and request"""

import json

import sqlalchemy as sa
from alembic import op

from roaming.model.identifiers import fold
from roaming.model.time import parse_timestamp
from roaming.store import columns

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

LOCATIONS = sa.table('booking_locations', *(sa.column(name, sa.String) for name in ('key', 'document', 'place', 'evse_uid')))
BOOKINGS = sa.table('bookings', *(sa.column(name, sa.String) for name in ('key', 'document', 'request_id')))
SLOTS = sa.table(
    'booking_slots',
    sa.column('key', sa.String),
    sa.column('number', sa.Integer),
    sa.column('start_at', columns.UtcDateTime()),
    sa.column('end_at', columns.UtcDateTime()),
)


def upgrade() -> None:
    op.create_table('booking_slots',
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('start_at', columns.UtcDateTime(), nullable=False),
    sa.Column('end_at', columns.UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('key', 'number')
    )
    with op.batch_alter_table('booking_slots', schema=None) as batch_op:
        batch_op.create_index('booking_slots_by_end', ['end_at', 'start_at'], unique=False)

    with op.batch_alter_table('booking_locations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('place', sa.String(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('evse_uid', sa.String(), server_default='', nullable=False))
        batch_op.create_index(batch_op.f('ix_booking_locations_place'), ['place'], unique=False)

    with op.batch_alter_table('bookings', schema=None) as batch_op:
        batch_op.add_column(sa.Column('request_id', sa.String(), server_default='', nullable=False))
        batch_op.create_index(batch_op.f('ix_bookings_request_id'), ['request_id'], unique=False)

    _read_what_is_there()


def _read_what_is_there() -> None:
    connection = op.get_bind()
    for key, document in connection.execute(sa.select(LOCATIONS.c.key, LOCATIONS.c.document)).all():
        location = json.loads(document)
        evse_uid = (location.get('booking_option') or {}).get('evse_uid') or ''
        values = {'place': fold(location['location_id']), 'evse_uid': '' if evse_uid.upper() == '#NA' else fold(evse_uid)}
        connection.execute(LOCATIONS.update().where(LOCATIONS.c.key == key).values(values))
        slots = dict.fromkeys(
            (slot['start_date_time'], slot['end_date_time'])
            for calendar in location.get('calendars', ())
            for slot in calendar['available_timeslots']
        )
        for number, (start, end) in enumerate(slots):
            times = {'start_at': parse_timestamp(start), 'end_at': parse_timestamp(end)}
            connection.execute(SLOTS.insert().values(key=key, number=number, **times))
    for key, document in connection.execute(sa.select(BOOKINGS.c.key, BOOKINGS.c.document)).all():
        values = {'request_id': fold(json.loads(document)['request_id'])}
        connection.execute(BOOKINGS.update().where(BOOKINGS.c.key == key).values(values))


def downgrade() -> None:
    with op.batch_alter_table('bookings', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_bookings_request_id'))
        batch_op.drop_column('request_id')

    with op.batch_alter_table('booking_locations', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_booking_locations_place'))
        batch_op.drop_column('evse_uid')
        batch_op.drop_column('place')

    with op.batch_alter_table('booking_slots', schema=None) as batch_op:
        batch_op.drop_index('booking_slots_by_end')

    op.drop_table('booking_slots')
