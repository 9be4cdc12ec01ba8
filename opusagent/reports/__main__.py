"""`python -m opusagent.reports`: what reports hold, as Markdown on standard output; `docs/report.md` is it."""

import sys

from opusagent.reports.schema import schema

if __name__ == "__main__":
    sys.stdout.write(schema())
