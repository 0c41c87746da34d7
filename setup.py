"""Builds the native kernel with the package, where a C compiler is; without one the portable kernel computes.

Everything else about the package is in pyproject.toml.
"""

from pathlib import Path

import gmpy2
from setuptools import Extension, setup

KERNEL = Path("fedtrust/compute/kernel")

setup(
    ext_modules=[
        Extension(
            "fedtrust.compute._kernel",
            sources=sorted(str(path) for path in KERNEL.glob("*.c")),
            depends=sorted(str(path) for path in KERNEL.glob("*.h")),
            include_dirs=[str(Path(gmpy2.__file__).parent)],  # gmpy2.h, and the gmp.h it was built with
            define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", None)],
            extra_compile_args=["-std=c11", "-O3", "-g0", "-Wno-maybe-uninitialized"],
            py_limited_api=True,
            optional=True,  # fedtrust doctor says which kernel runs, and why
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
