"""The how-to for installation and upgrade, followed to the letter: each of its commands is run as it stands.

In a mount namespace of its own, so that nothing of it is left on the machine; systemctl is a stand-in that
does what the unit says, since no systemd runs in a container.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "install-as-a-service.md"
FILES = ("prefetch", "rules", "deploy", "pyproject.toml", "README.md", "requirements.lock")
NAMESPACE = ("/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Own mounts, and own processes, none of which outlives the test."""
CHANGED = ("/etc", "/opt", "/usr/local/bin", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/var/lib")

pytestmark = [
    pytest.mark.peers,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.environ.get("CI") != "true", reason="takes a minute; CI=true runs it"),
    pytest.mark.skipif(os.geteuid() != 0, reason="an installation is root's"),
    pytest.mark.skipif(
        not shutil.which("systemd-sysusers"), reason="systemd is missing (apt install systemd)"
    ),
]

SITE = """\
time_zone: UTC
mode: observe
listeners: {{ris: {{port: {listener}, max_connections: 90}}}}
archives: {{main: {{ae_title: MAIN, host: 127.0.0.1, port: {port}}}}}
workstations: {{room-1: {{ae_title: READ1, verify: counters}}}}
"""

ALIVE = """
prefetch status --json | grep '"alive": true.*"trouble": \\[\\]'
"""

MEMBER = """
cd /
getent passwd alice || useradd --no-create-home --shell /bin/sh alice
usermod -aG prefetch alice
cat > /usr/local/bin/all-verbs <<'EOF'
set -eux
umask 077
prefetch orders --json
prefetch status --json
prefetch pause main
prefetch resume main
printf 'MSH|^~\\\\&|RIS|HOSP|||20260302||ADT^A08|M%s|P|2.5\\rPID|||P1\\r' $$ | prefetch submit -
prefetch fetch --patient P1
for verb in release retry cancel; do
    status=0; prefetch $verb 999999 || status=$?
    test $status = 1
done
prefetch retrieves --json
EOF
runuser -u alice -- sh /usr/local/bin/all-verbs
ls -l /var/lib/prefetch
cd "$OLDPWD"
"""
"""A member of the group, with another umask: each verb that looks, and each that writes."""

WRONG_RULES = """
echo 'rules: [' > /etc/prefetch/rules/wrong.yaml
if systemctl reload prefetch; then exit 1; fi
rm /etc/prefetch/rules/wrong.yaml
"""

WAITS = """
cp /etc/prefetch/prefetch.yaml /etc/prefetch/before.yaml
sed -i 's/^mode: .*/mode: active/; s/max_connections: 90/max_connections: 80/' /etc/prefetch/prefetch.yaml
if systemctl reload prefetch; then exit 1; fi
until prefetch status --json | grep '"waits_for_restart": \\["listeners.ris"\\]'; do sleep 1; done
cat /etc/prefetch/before.yaml > /etc/prefetch/prefetch.yaml
systemctl reload prefetch
until prefetch status --json | grep '"waits_for_restart": \\[\\]'; do sleep 1; done
"""
"""A reload is over some time after it was asked for."""


def commands(heading: str) -> Iterator[str]:
    """The code blocks below a heading of the page."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    yield from re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def all_of(heading: str) -> str:
    """What a section says to type."""
    return "".join(commands(heading))


def on_a_copy(directory: str) -> str:
    """Let what is written below a directory go to memory, and vanish with the namespace."""
    name = directory.replace("/", "_")
    return (
        f'mkdir "$ABOVE/{name}" "$ABOVE/{name}.work"\n'
        f"mount -t overlay overlay -o "
        f'"lowerdir={directory},upperdir=$ABOVE/{name},workdir=$ABOVE/{name}.work" {directory}\n'
    )


def test_the_page_installs_upgrades_and_rolls_back(tmp_path: Path) -> None:
    """Every block in its order; after each of them the daemon is alive, and what must fail fails."""
    source, above, bin_ = (tmp_path / name for name in ("source", "above", "bin"))
    for directory in (source, above, bin_):
        directory.mkdir()
    for name in FILES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    systemctl = bin_ / "systemctl"
    systemctl.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/systemctl.py "$@"\n')
    systemctl.chmod(0o755)
    with (
        peers.Storescp(ae_title="READ1", directory=tmp_path) as workstation,
        peers.Orthanc(ae_title="MAIN", directory=tmp_path, knows=[workstation]) as archive,
    ):
        (tmp_path / "site.yaml").write_text(SITE.format(listener=peers.free_port(), port=archive.port))
        upgrade, change_over = commands("Upgrade")
        roll_back, put_back = commands("Roll back")
        script = [
            "set -eux\numask 022\nmount -t tmpfs tmpfs $ABOVE\n",
            "mount -t tmpfs tmpfs /run\ntrap 'cat /run/prefetch.journal >&2' EXIT\n",
            *map(on_a_copy, CHANGED),
            all_of("Install"),
            f"cat {tmp_path}/site.yaml > /etc/prefetch/prefetch.yaml\n",
            all_of("Describe your site"),
            *(all_of("Start"), ALIVE),
            *(
                MEMBER,
                ALIVE,
                "systemctl stop prefetch\n",
                MEMBER,
                "systemctl start prefetch\n",
                ALIVE,
                MEMBER,
            ),
            *(all_of("Change rules while it runs"), WRONG_RULES, ALIVE, WAITS, ALIVE),
            *(upgrade, ALIVE, change_over, ALIVE),
            *(roll_back, ALIVE, put_back, ALIVE),
            "systemctl stop prefetch\n",
        ]
        done = subprocess.run(
            [*NAMESPACE, "/bin/bash", "-c", "".join(script)],
            cwd=source,
            env={**os.environ, "ABOVE": str(above), "PATH": f"{bin_}:{_PATH}"},
            capture_output=True,
            text=True,
            check=False,
        )
    if "mount: " in done.stderr or "unshare: " in done.stderr:
        pytest.skip(f"may not make a mount namespace: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr[-6000:]


_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
