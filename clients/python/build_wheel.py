"""Builds the wheel, with Python's standard library alone: python3 build_wheel.py FOLDER, or pip (PEP 517).

The same files give the same bytes: entries are sorted, not compressed (zlib's output depends on its version) and have no times.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
# The first moment that a ZIP archive can express.
NO_TIME = (1980, 1, 1, 0, 0, 0)
REGULAR_FILE = 0o100644
UNIX = 3


def setting(name: str) -> str:
    """A text of pyproject.toml. Python 3.9 has no reader for the format, and the build must not download one."""
    found = re.search(rf'^{name} = "([^"]*)"$', (FOLDER / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"pyproject.toml has no {name}")
    return found.group(1)


def metadata() -> str:
    fields = {
        "Metadata-Version": "2.1",
        "Name": setting("name"),
        "Version": setting("version"),
        "Summary": setting("description"),
        "License": setting("license"),
        "Requires-Python": setting("requires-python"),
        "Classifier": "Typing :: Typed",
        "Description-Content-Type": "text/markdown",
    }
    page = (FOLDER / "README.md").read_text("utf-8")
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n" + page


def contents() -> dict[str, bytes]:
    """The files of the wheel, without its list of them."""
    package = FOLDER / "src/quaymaster"
    files = {
        f"quaymaster/{each.name}": each.read_bytes() for each in package.iterdir() if each.suffix in (".py", ".typed")
    }
    info = f"quaymaster-{setting('version')}.dist-info"
    files[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    files[f"{info}/METADATA"] = metadata().encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: quaymaster\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    return files


def record_row(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def build_wheel(
    wheel_directory: str, config_settings: object | None = None, metadata_directory: str | None = None
) -> str:
    """Writes the wheel. Returns its name (PEP 517)."""
    files = contents()
    record = f"quaymaster-{setting('version')}.dist-info/RECORD"
    rows = [record_row(name, files[name]) for name in sorted(files)]
    files[record] = "".join([*rows, f"{record},,\n"]).encode()
    wheel = f"quaymaster-{setting('version')}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / wheel, "w", zipfile.ZIP_STORED) as archive:
        # Installers read the list of files last.
        for name in sorted(files, key=lambda each: (each == record, each)):
            entry = zipfile.ZipInfo(name, NO_TIME)
            entry.create_system = UNIX
            entry.external_attr = REGULAR_FILE << 16
            archive.writestr(entry, files[name])
    return wheel


def build_sdist(sdist_directory: str, config_settings: object | None = None) -> str:
    raise SystemExit("the source is published as a tag of the repository; build a wheel")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python3 build_wheel.py FOLDER")
    print(build_wheel(sys.argv[1]))
