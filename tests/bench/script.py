"""The competitor that a site writes in an afternoon: findscu, and movescu for each study that it names."""

from __future__ import annotations

import subprocess
import time

from tests.bench import trial
from tests.peers import installed

SCRIPT = """\
#!/bin/sh
# Fetches all studies of the patients whose IDs come on standard input.
fetch() {
    {findscu} --study --aetitle SCRIPT --call {archive} {host} {port} \\
        --key QueryRetrieveLevel=STUDY --key PatientID="$1" --key StudyInstanceUID= 2>&1 |
    sed -n 's/.*(0020,000d) UI \\[\\([0-9.]*\\).*/\\1/p' |
    while read -r study; do
        {movescu} --study --aetitle SCRIPT --call {archive} --move {workstation} {host} {port} \\
            --key QueryRetrieveLevel=STUDY --key StudyInstanceUID="$study" || echo "failed: $study" >&2
    done
}
if [ $# -eq 0 ]; then
    exec xargs -n 1 -P {parallel} sh "$0"
fi
fetch "$1"
"""


def fetch(task: trial.Trial) -> trial.Score:
    """Run the script over all patients, as many at a time as are allowed."""
    script = task.directory / "fetch.sh"
    text = SCRIPT
    for name, value in {
        "findscu": installed("/usr/bin/findscu"),
        "movescu": installed("/usr/bin/movescu"),
        "archive": task.archive.ae_title,
        "workstation": task.workstation.ae_title,
        "host": task.archive.host,
        "port": task.archive.port,
        "parallel": task.parallel,
    }.items():
        text = text.replace(f"{{{name}}}", str(value))
    script.write_text(text)
    patient_ids = "".join(f"{patient.patient_id}\n" for patient in task.patients)
    before, began = trial.cpu_of_children(), time.monotonic()
    subprocess.run(
        ["/bin/sh", str(script)],
        input=patient_ids,
        text=True,
        check=True,
        capture_output=True,
        timeout=trial.PATIENCE,
    )
    return trial.Score(seconds=time.monotonic() - began, cpu=trial.cpu_of_children() - before)
