"""The systemd unit, as systemd itself judges it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "prefetch.service"

ANALYZE = shutil.which("systemd-analyze") or ""

pytestmark = pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is missing (apt install systemd)")


def test_the_unit_is_right(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing, with a program in the place of ours."""
    unit = tmp_path / "prefetch.service"
    unit.write_text(UNIT.read_text().replace("/opt/prefetch/bin/prefetch", sys.executable))
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    about_us = [line for line in done.stderr.splitlines() if "prefetch" in line]
    assert [] == about_us


def test_the_unit_is_hardened() -> None:
    """`systemd-analyze security` rates its exposure below 2 of 10."""
    done = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    exposure = re.search(r"exposure level for prefetch\.service: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stderr
    assert float(exposure[1]) < 2
