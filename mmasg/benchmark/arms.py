"""What is compared: configs, each as it is or with settings of its own."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from mmasg.commands.command_line import read_config
from mmasg.errors import did_you_mean, wrong


@dataclass(frozen=True)
class Arm:
    """One column of a comparison: a config and settings that override the config's.

    Args:
        name: Short name, unique within the group.
        config: The config file.
        title: As tables and pictures call it. Defaults to the name.
        options: ``key=value``, as ``--cfg-options`` takes them.
        group: Arms of one group are compared with each other, in a table of their own. Defaults
            to the one group without a name.
        start: Name of the arm of the same group whose last checkpoint of the same seed it starts
            from. Defaults to none: what the config says.
    """

    name: str
    config: str
    title: str = ""
    options: tuple[str, ...] = ()
    group: str = ""
    start: str = ""

    @property
    def key(self) -> str:
        """Name of the arm in names of files."""
        return f"{self.group}_{self.name}" if self.group else self.name

    def read(self, extra: Sequence[str] = ()) -> Config:
        """Read the config with the arm's options, and ``extra`` ones after them.

        Raises:
            FileNotFoundError: No such config; names near ones.
        """
        settings = argparse.Namespace(
            config=self.config,
            cfg_options=parse_options([*self.options, *extra]),
            work_dir=None,
            launcher="none",
            local_rank=0,
        )
        return read_config(settings)


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Turn ``key=value`` strings into a dict, as ``--cfg-options`` does.

    Raises:
        ValueError: A string without ``=``.
    """
    for option in options:
        if "=" not in option:
            raise ValueError(wrong("options of an arm", option, "KEY=VALUE"))
    parser = argparse.ArgumentParser()
    parser.add_argument("--options", nargs="*", action=DictAction, default={})
    return parser.parse_args(["--options", *options] if options else []).options


def make_arms(
    configs: Sequence[str], named_options: Sequence[str] = (), common: Sequence[str] = ()
) -> list[Arm]:
    """Return every config with every set of options.

    Args:
        configs: ``FILE`` or ``NAME=FILE``; without a name it is that of the file.
        named_options: ``NAME:KEY=VALUE KEY=VALUE ...``; with any, each config is an arm with each
            of them, called ``CONFIG,NAME`` (``NAME`` where there is one config). ``NAME:`` alone
            is the config as it is.
        common: ``KEY=VALUE`` for every arm.

    Raises:
        ValueError: Two arms of one name, or options that are not of the form above.
    """
    variants: dict[str, tuple[str, ...]] = {} if named_options else {"": ()}
    for text in named_options:
        variant, colon, listed = text.partition(":")
        if not colon or not variant or "/" in variant or variant in variants:
            allowed = "'NAME:KEY=VALUE KEY=VALUE ...', each name once"
            raise ValueError(wrong("--name-option", text, allowed))
        variants[variant] = tuple(shlex.split(listed))
    arms = []
    for text in configs:
        name, equals, file = text.partition("=")
        stem, config = (name, file) if equals else (Path(text).stem, text)
        for variant, options in variants.items():
            parts = [p for p in (stem, variant) if p]
            label = variant if variant and len(configs) == 1 else ",".join(parts)
            arms.append(Arm(label, config, label, (*common, *options)))
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                wrong("arms", name, "one arm of each name", "Name a config by NAME=FILE.")
            )
    for arm in arms:
        parse_options(arm.options)
    return arms


def select(arms: Iterable[Arm], only: list[str] | None) -> list[Arm]:
    """Return the arms whose key or group is named, all of them without names.

    Raises:
        ValueError: A name that is neither; lists what there is.
    """
    arms = list(arms)
    if not only:
        return arms
    known = sorted({a.key for a in arms} | {a.group for a in arms if a.group})
    for name in only:
        if name not in known:
            hint = did_you_mean(name, known).strip()
            raise ValueError(wrong("--only", name, ", ".join(known), hint))
    return [a for a in arms if a.key in only or a.group in only]
