"""PURE: the body regions in which orders and studies are compared, and the sides of the body.

A set of regions is kept as an integer, a bit a region, so that two sets meet in one instruction.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache


class Region(StrEnum):
    """A part of the body that is imaged and compared as one, from head to foot."""

    HEAD = "head"
    FACE = "face"
    NECK = "neck"
    CERVICAL_SPINE = "cervical-spine"
    THORACIC_SPINE = "thoracic-spine"
    LUMBAR_SPINE = "lumbar-spine"
    CHEST = "chest"
    BREAST = "breast"
    HEART = "heart"
    ABDOMEN = "abdomen"
    PELVIS = "pelvis"
    SHOULDER = "shoulder"
    ARM = "arm"
    ELBOW = "elbow"
    WRIST = "wrist"
    HAND = "hand"
    HIP = "hip"
    LEG = "leg"
    KNEE = "knee"
    ANKLE = "ankle"
    FOOT = "foot"
    WHOLE_BODY = "whole-body"


class Laterality(StrEnum):
    """A side, in the letters of Image Laterality (PS3.3 C.7.3.1.1.2)."""

    LEFT = "L"
    RIGHT = "R"
    BOTH = "B"


BIT: dict[Region, int] = {region: 1 << place for place, region in enumerate(Region)}
"""Region → its bit."""


def bits(regions: Iterable[Region]) -> int:
    """A set of regions as an integer."""
    total = 0
    for region in regions:
        total |= BIT[region]
    return total


@lru_cache(4096)
def regions(mask: int) -> tuple[Region, ...]:
    """The regions of an integer, from head to foot."""
    return tuple(region for region, bit in BIT.items() if mask & bit)


WHOLE_BODY = BIT[Region.WHOLE_BODY]
SPINE = bits((Region.CERVICAL_SPINE, Region.THORACIC_SPINE, Region.LUMBAR_SPINE))
ARM = bits((Region.SHOULDER, Region.ARM, Region.ELBOW, Region.WRIST, Region.HAND))
LEG = bits((Region.HIP, Region.LEG, Region.KNEE, Region.ANKLE, Region.FOOT))
LIMBS = ARM | LEG
UNPAIRED = SPINE | bits((Region.HEAD, Region.CHEST, Region.HEART, Region.ABDOMEN))
"""Regions that are imaged whole: a left or right beside them may name the projection."""
