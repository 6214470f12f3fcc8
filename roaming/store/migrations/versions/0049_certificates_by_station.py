"""certificates of stations are known by station, too"""

import sqlalchemy as sa
from alembic import op

from roaming.store import columns

revision = '0049'
down_revision = '0048'
branch_labels = None
depends_on = None

_NAMES = (
    'network, station_id, fingerprint, serial_number, expires_at, known_since, shown_at, revoked_at, revoked_by, revoked_why'
)


def upgrade() -> None:
    _made_anew('network', 'station_id', 'fingerprint')


def downgrade() -> None:
    # Of a certificate that was known in two networks one row stays
    op.execute(
        'DELETE FROM station_certificates WHERE EXISTS (SELECT 1 FROM station_certificates AS other'
        ' WHERE other.fingerprint = station_certificates.fingerprint AND (other.network < station_certificates.network OR'
        ' (other.network = station_certificates.network AND other.station_id < station_certificates.station_id)))'
    )
    _made_anew('fingerprint')
    with op.batch_alter_table('station_certificates', schema=None) as batch_op:
        batch_op.create_index('station_certificates_of', ['network', 'station_id'], unique=False)


def _made_anew(*key: str) -> None:
    """With this primary key, and what was in it."""
    op.execute(f'CREATE TABLE station_certificates_kept AS SELECT {_NAMES} FROM station_certificates')
    op.drop_table('station_certificates')
    op.create_table('station_certificates',
    sa.Column('network', sa.String(), nullable=False),
    sa.Column('station_id', sa.String(), nullable=False),
    sa.Column('fingerprint', sa.String(), nullable=False),
    sa.Column('serial_number', sa.String(), nullable=False),
    sa.Column('expires_at', columns.UtcDateTime(), nullable=False),
    sa.Column('known_since', columns.UtcDateTime(), nullable=False),
    sa.Column('shown_at', columns.UtcDateTime(), nullable=True),
    sa.Column('revoked_at', columns.UtcDateTime(), nullable=True),
    sa.Column('revoked_by', sa.String(), nullable=False),
    sa.Column('revoked_why', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint(*key)
    )
    op.execute(f'INSERT INTO station_certificates ({_NAMES}) SELECT {_NAMES} FROM station_certificates_kept')
    op.drop_table('station_certificates_kept')
