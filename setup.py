"""Build the extensions `gateway._native` and, where its library is for, `gateway._batch`; the rest is in
pyproject.toml."""

import platform
import shutil
import sys
from glob import glob
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildNative(build_ext):
    """Says in one sentence that the compiler is missing, before a page of output says it in many."""

    def build_extensions(self) -> None:
        command = getattr(self.compiler, "compiler_so", None) or ["cc"]
        if shutil.which(command[0]) is None:
            raise SystemExit(
                f"wfm-gateway needs a C compiler, and {command[0]} was not found: install one "
                "(Debian: apt-get install gcc python3-dev; macOS: xcode-select --install) and try again."
            )
        super().build_extensions()


NATIVE = Extension(
    "gateway._native",
    ["_native/_native.pyx"],
    # Naming every part here also puts it into the sdist, the batch engine's too wherever that is made.
    depends=sorted(glob("_native/*.p[xy]*")),
    extra_compile_args=["-O3", "-Wno-unused-function"],
)


def installed(package: str, name: str) -> Path | None:
    """The folder in which `package` has put a file that ends in `name`."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return None
    found = [Path(str(file.locate())).resolve() for file in files if str(file).endswith(name)]
    return found[0].parent if found and found[0].exists() else None


def batch() -> list[Extension]:
    """The batch engine's extension: on Linux x86-64, with the packages that pyproject.toml names."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return []
    archive = installed("ipp-crypto-static", "/libcrypto_mb.a")
    headers = installed("ipp-crypto-include", "/crypto_mb/defs.h")
    if archive is None or headers is None:
        sys.stderr.write(
            "wfm-gateway is built without its batch engine, because ipp-crypto-static and ipp-crypto-include are not "
            "installed here: pip install them and build again, or build without --no-build-isolation.\n"
        )
        return []
    return [
        Extension(
            "gateway._batch",
            ["_native/batch.pyx"],
            depends=sorted([*glob("_native/batch*.p[xy]*"), "_native/crypto_mb.pxd"]),
            include_dirs=[str(headers.parent)],
            extra_objects=[str(archive / "libcrypto_mb.a")],
            extra_compile_args=["-O3"],
            # What the archive has stays inside: another library with the same names must not meet it.
            extra_link_args=["-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-Wl,-z,now"],
        )
    ]


setup(
    cmdclass={"build_ext": BuildNative},
    ext_modules=cythonize(
        [NATIVE, *batch()],
        include_path=["."],
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "auto_pickle": False,
            "autotestdict": False,
        },
    ),
)
