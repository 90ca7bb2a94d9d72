"""Build the one extension, `gateway._native`; everything else is in pyproject.toml."""

import shutil
from glob import glob

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
    # Naming every part here also puts it into the sdist.
    depends=sorted(glob("_native/*.p[xy]*")),
    extra_compile_args=["-O3", "-Wno-unused-function"],
)

setup(
    cmdclass={"build_ext": BuildNative},
    ext_modules=cythonize(
        [NATIVE],
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
