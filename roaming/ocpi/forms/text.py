"""Text for people on the wire: the same in all versions."""

from roaming.model.text import DisplayText
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import Text
from roaming.ocpi.rules import one

DISPLAY_TEXT = Form(DisplayText, one("language", Text(2)), one("text", Text(512)))
