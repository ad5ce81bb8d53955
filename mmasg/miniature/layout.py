"""Composes a street scene. Both domains draw from the one distribution defined here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from . import people, street, vehicles
from .classes import EGO_VEHICLE, PARKING, SIDEWALK
from .dice import Dice
from .ground import Street, draw_street, ground, sky, skyline
from .scene import HEIGHT, WIDTH, Camera, Group, Scene, flatten

Maker = Callable[[Camera, Dice, float, float], Group]


def street_scene(dice: Dice) -> Scene:
    """Draw one scene.

    Args:
        dice: The geometry stream of one frame; nothing else is drawn from.

    Returns:
        The scene, the same for the same dice on every machine.
    """
    camera = Camera(
        focal=dice.real(285.0, 330.0),
        height=dice.real(1.35, 1.7),
        horizon=dice.real(100.0, 124.0),
        centre=256.0 + dice.real(-45.0, 45.0),
        bend=dice.real(-0.003, 0.003) if dice.chance(0.5) else 0.0,
    )
    plan = draw_street(dice)
    groups = [sky(camera), *ground(camera, dice, plan), *skyline(camera, dice)]
    groups += _fronts(camera, dice, plan, plan.left_front)
    groups += _fronts(camera, dice, plan, plan.right_front)
    if dice.chance(0.06):
        groups.append(street.bridge(camera, dice, dice.real(25.0, 50.0)))
    groups += _furniture(camera, dice, plan)
    groups += _traffic(camera, dice, plan)
    groups += _passers(camera, dice, plan)
    scene = flatten(camera, groups)
    _frame_of_the_car(scene, dice)
    return scene


def _fronts(camera: Camera, dice: Dice, plan: Street, x: float) -> list[Group]:
    """Houses, walls, fences, hedges and gaps along one side, from near to far."""
    groups = []
    z = dice.real(1.9, 4.0)
    kinds = ("building", "building", "building", "wall", "wall", "fence", "fence", "hedge", "gap")
    while z < 62.0:
        kind = dice.choice(kinds)
        length = dice.real(6.0, 15.0) * (1.0 + z / 60.0)
        front = street.Front(camera, dice, x, z, z + length)
        if kind == "building":
            groups.append(front.building())
        elif kind == "wall":
            groups.append(front.wall())
        elif kind == "fence":
            groups.append(front.guard_rail() if dice.chance(0.1) else front.fence())
        elif kind == "hedge":
            groups.append(front.hedge())
        if kind != "building":
            groups += _behind(camera, dice, x, z, length)
        z += length
    return groups


def _behind(camera: Camera, dice: Dice, x: float, z: float, length: float) -> list[Group]:
    """Trees and a house behind a low front."""
    out = 1 if x > 0 else -1
    groups = []
    if dice.chance(0.5):
        house = street.Front(camera, dice, x + out * dice.real(4.0, 8.0), z + 2.0, z + length)
        groups.append(house.building())
        groups[-1].depth = z + length + 0.5
    for _ in range(dice.integer(0, 2)):
        place = x + out * dice.real(2.0, 4.0)
        groups.append(street.tree(camera, dice, place, dice.real(z, z + length) + 3.0))
        # behind the front, which is drawn at its far end
        groups[-1].depth = max(groups[-1].depth, z + length + 0.2)
    return groups


def _beside(dice: Dice, plan: Street, inset: float) -> float:
    """A lateral place beside the road, ``inset`` metres from its left or right edge."""
    return plan.left - inset if dice.chance(0.5) else plan.right + inset


def _furniture(camera: Camera, dice: Dice, plan: Street) -> list[Group]:
    """Lamps, lights, signs, bollards, bins, trees and bushes."""
    groups: list[Group] = []
    for x in (plan.left - 0.5, plan.right + 0.5):
        if dice.chance(0.6):
            z = dice.real(4.5, 14.0)
            for number in range(4):
                groups.append(street.lamp_post(camera, dice, x, z + 14.0 * number))
    for _ in range(dice.integer(0, 3)):
        x = _beside(dice, plan, dice.real(0.3, 0.9))
        groups.append(street.traffic_light(camera, dice, x, dice.real(6.0, 20.0)))
    for _ in range(dice.integer(1, 4)):
        x = _beside(dice, plan, dice.real(0.4, 1.5))
        groups.append(street.traffic_sign(camera, dice, x, dice.real(5.0, 18.0)))
    if dice.chance(0.35):
        x = _beside(dice, plan, 0.35)
        groups += street.bollards(camera, dice, x, dice.real(4.5, 12.0))
    if dice.chance(0.3):
        x = _beside(dice, plan, 1.5)
        groups.append(street.bin_or_box(camera, dice, x, dice.real(5.0, 14.0)))
    for verge, kerb, front in (
        (plan.left_verge, plan.left_kerb, plan.left_front),
        (plan.right_verge, plan.right_kerb, plan.right_front),
    ):
        if verge == SIDEWALK:
            x = kerb * 0.85 + (plan.left if kerb < 0 else plan.right) * 0.15
        else:
            x = (kerb + front) / 2
        if dice.chance(0.55):
            z = dice.real(6.0, 14.0)
            for number in range(dice.integer(1, 5)):
                if dice.chance(0.8):
                    groups.append(street.tree(camera, dice, x, z + 8.0 * number))
        if verge != SIDEWALK and verge != PARKING and dice.chance(0.5):
            groups.append(street.bush(camera, dice, x, dice.real(6.0, 20.0)))
        if verge == PARKING:
            for z in (7.0, 12.5, 18.0):
                if dice.chance(0.6):
                    groups.append(vehicles.car(camera, dice, x, z + dice.real(0.0, 1.0), True))
    return groups


def _traffic(camera: Camera, dice: Dice, plan: Street) -> list[Group]:
    """Vehicles in the lanes, on the rails, parked along the kerb and crossing."""
    groups: list[Group] = []
    lanes = max(1, int((plan.right - plan.left) / plan.lane + 0.5))
    for number in range(lanes):
        x = plan.left + (number + 0.5) * (plan.right - plan.left) / lanes
        if plan.rails is not None and abs(x - plan.rails) < 2.0:
            continue
        towards = x < -1.0
        ahead = abs(x) < 1.6
        z = dice.real(9.0, 16.0) if ahead else dice.real(5.0, 14.0)
        while z < 55.0:
            kind = dice.real()
            if kind < 0.50:
                groups.append(vehicles.car(camera, dice, x + dice.real(-0.3, 0.3), z, towards))
                z += 6.0
            elif kind < 0.66:
                groups.append(vehicles.truck(camera, dice, x, z + 2.0, towards))
                z += 13.0
            elif kind < 0.80:
                groups.append(vehicles.bus(camera, dice, x, z + 2.0, towards))
                z += 14.0
            elif kind < 0.92:
                rider = people.motorcyclist if dice.chance(0.5) else people.cyclist
                groups.append(rider(camera, dice, x + dice.real(-0.8, 0.8), z))
                z += 4.0
            z += dice.real(3.0, 22.0)
    if plan.rails is not None and dice.chance(0.8):
        z = dice.real(8.0, 18.0)
        groups.append(vehicles.tram(camera, dice, plan.rails, z, plan.rails < 0))
    if dice.chance(0.35):
        groups += _parked(camera, dice, plan)
    kind = dice.real()
    across: Maker | None = None
    if kind < 0.10:
        across = vehicles.tram_across
    elif kind < 0.18:
        across = vehicles.bus_across
    elif kind < 0.26:
        across = vehicles.truck_across
    elif kind < 0.36:
        across = vehicles.car_across
    if across is not None:
        groups.append(across(camera, dice, dice.real(-7.0, 7.0), dice.real(14.0, 26.0)))
    return groups


def _parked(camera: Camera, dice: Dice, plan: Street) -> list[Group]:
    side = dice.sign()
    x = plan.left + 1.0 if side < 0 else plan.right - 1.0
    if abs(x) < 2.2 or (plan.rails is not None and abs(x - plan.rails) < 2.4):
        return []
    groups = []
    z = dice.real(4.5, 8.0)
    for _ in range(dice.integer(1, 4)):
        if dice.chance(0.08):
            groups.append(vehicles.trailer(camera, dice, x, z))
        else:
            groups.append(vehicles.car(camera, dice, x, z, side < 0))
        z += dice.real(5.5, 8.0)
    return groups


def _passers(camera: Camera, dice: Dice, plan: Street) -> list[Group]:
    """People on the pavements and crossing, riders near the kerb, parked two-wheelers."""
    groups: list[Group] = []
    for _ in range(dice.integer(2, 7)):
        if dice.chance(0.5):
            x = dice.real(plan.left_kerb, plan.left - 0.3)
        else:
            x = dice.real(plan.right + 0.3, plan.right_kerb)
        groups.append(people.person(camera, dice, x, dice.real(5.0, 20.0)))
    if dice.chance(0.35):
        x = dice.real(plan.left, plan.right)
        groups.append(people.person(camera, dice, x, dice.real(6.5, 16.0)))
    ridden: tuple[tuple[Maker, float], ...] = (
        (people.cyclist, 0.6),
        (people.motorcyclist, 0.55),
    )
    for maker, probability in ridden:
        for _ in range(2):
            if dice.chance(probability):
                x = dice.real(plan.left + 0.3, plan.right - 0.3)
                groups.append(maker(camera, dice, x, dice.real(5.5, 13.0)))
    parked: tuple[tuple[Maker, float], ...] = (
        (people.parked_bicycle, 0.5),
        (people.parked_motorcycle, 0.45),
    )
    for maker, probability in parked:
        if dice.chance(probability):
            x = _beside(dice, plan, dice.real(0.7, 1.6))
            groups.append(maker(camera, dice, x, dice.real(5.0, 11.0)))
    return groups


def _frame_of_the_car(scene: Scene, dice: Dice) -> None:
    """The camera car's bonnet (label ego vehicle) and the frame's unlabelled rim."""
    if dice.chance(0.5):
        group = Group(scene.camera, 0.5)
        top = HEIGHT - dice.integer(8, 16)
        bonnet = [
            (-10, HEIGHT + 10), (-10, HEIGHT - 2), (90, top + 3), (256, top), (422, top + 3),
            (WIDTH + 10, HEIGHT - 2), (WIDTH + 10, HEIGHT + 10),
        ]  # fmt: skip
        group.pieces.append((np.array(bonnet, dtype=np.int32), EGO_VEHICLE, "bonnet"))
        (bonnet_piece,) = flatten(scene.camera, [group]).polygons
        scene.polygons.append(replace(bonnet_piece, thing=scene.things))
    if dice.chance(0.5):
        right, bottom = WIDTH - 1, HEIGHT - 1
        for x0, y0, x1, y1 in ((0, 0, 1, bottom), (right - 1, 0, right, bottom),
                               (0, bottom - 1, right, bottom)):  # fmt: skip
            scene.hidden.append(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.int32))
