"""A stand-in for setuptools that an index can serve, so that legacy sdists build without the real one.

It runs ``setup.py`` and knows ``name``, ``version``, ``py_modules`` and ``install_requires``; nothing else.
"""

from __future__ import annotations

from tests.sim.packages import make_wheel

_INIT = """
captured = {}


def setup(**keywords):
    captured.update(keywords)
"""

_BUILD_META = """
import pathlib, runpy, zipfile

import setuptools


class _Legacy:
    def build_wheel(self, wheel_directory, config_settings=None, metadata_directory=None):
        runpy.run_path("setup.py", run_name="__main__")
        name, version = setuptools.captured["name"].replace("-", "_"), setuptools.captured["version"]
        requires = "".join(f"Requires-Dist: {text}\\n" for text in setuptools.captured.get("install_requires", ()))
        modules = [f"{module}.py" for module in setuptools.captured["py_modules"]]
        members = {path: pathlib.Path(path).read_text() for path in modules}
        info = f"{name}-{version}.dist-info"
        members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{requires}"
        members[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        members[f"{info}/RECORD"] = "".join(f"{path},,\\n" for path in (*members, f"{info}/RECORD"))
        wheel = f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(pathlib.Path(wheel_directory, wheel), "w") as archive:
            for path, text in members.items():
                archive.writestr(path, text)
        return wheel


__legacy__ = _Legacy()
"""


def make_setuptools(version: str = "80.0.0") -> tuple[str, bytes]:
    """Make the wheel; pip asks for ``setuptools >= 40.8.0`` to build an sdist without ``pyproject.toml``."""
    files = {"setuptools/__init__.py": _INIT, "setuptools/build_meta.py": _BUILD_META}
    return make_wheel("setuptools", version, files=files)
