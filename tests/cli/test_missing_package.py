"""A half-installed workbook: the command says what is missing and how to mend it."""

import subprocess
import sys


def test_missing_package_is_told_in_one_line() -> None:
    """`lab doctor` without SQLAlchemy names it and the command that installs it."""
    script = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from lab_support.cli import main\n"
        "sys.argv = ['lab', 'doctor']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "'sqlalchemy' is not installed" in done.stderr
    assert "constraints.txt" in done.stderr
