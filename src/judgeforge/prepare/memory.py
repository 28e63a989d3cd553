"""How long freed memory is kept: to be imported before Polars, whose allocator reads it once.

Polars gives freed memory back to the system after half a second, and a stage that allocates texts by the gigabyte takes
it again at once, at a tenth of its processor time. Ten seconds cost some 150 MB at the peak. What is given back is gone
at once: muzzy pages count as used until somebody else needs them, 700 MB of a million rows. A user's value stands.
"""

import os

os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:0")
