"""End with 0 where the explorer at $PORT, below $PREFIX, says that it is well."""

import os
import sys
import urllib.request

prefix = os.environ.get("PREFIX", "").strip("/")
path = "/".join(filter(None, [prefix, "_stcore/health"]))
try:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{os.environ.get('PORT', '8501')}/{path}", timeout=4
    ) as answer:
        sys.exit(answer.status != 200)
except OSError as error:
    sys.exit(f"not well: {error}")
