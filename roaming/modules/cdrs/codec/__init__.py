"""CDRs in all versions."""

from roaming.model.version import Version
from roaming.modules.cdrs.codec import v211, v221, v230

BY_VERSION = {Version.V2_1_1: v211.CODEC, Version.V2_2_1: v221.CODEC, Version.V2_3_0: v230.CODEC}
