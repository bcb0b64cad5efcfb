"""The vocabulary of the zoo: what can be drawn, on which background, and how to ask for it.

Class names are CLDR short names without a closing "face" ("dog", not "dog face").
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from itertools import cycle, islice

from evocache.errors import ZooError

_ANIMALS = """
monkey, dog, wolf, fox, cat, lion, tiger, horse, unicorn, zebra, deer, cow, pig, llama, giraffe, elephant,
hippopotamus, mouse, rabbit, bat, bear, koala, panda, rooster, penguin, eagle, duck, owl, flamingo, peacock,
parrot, frog, crocodile, turtle, snake, dragon, spouting whale, tropical fish, shark, octopus, snail, butterfly,
honeybee, lady beetle, spider, crab, lobster
"""
_PLANTS = """
cherry blossom, rose, sunflower, palm tree, cactus, four leaf clover, maple leaf, mushroom
"""
_FOOD = """
grapes, watermelon, tangerine, lemon, banana, pineapple, red apple, pear, peach, cherries, strawberry, kiwi
fruit, avocado, eggplant, carrot, ear of corn, hot pepper, broccoli, bread, croissant, pretzel, pancakes, cheese
wedge, hamburger, french fries, pizza, hot dog, popcorn, sushi, doughnut, birthday cake, cupcake, lollipop, soft
ice cream, honey pot, hot beverage, wine glass, beer mug, bubble tea
"""
_TRAVEL = """
locomotive, bus, ambulance, fire engine, police car, taxi, tractor, racing car, motor scooter, bicycle,
sailboat, airplane, helicopter, rocket, flying saucer, volcano, house, castle, ferris wheel, crescent moon, sun,
star, ringed planet, cloud, rainbow, umbrella, snowflake, snowman, fire, droplet
"""
_THINGS = """
jack-o-lantern, Christmas tree, balloon, wrapped gift, trophy, soccer ball, basketball, tennis, bullseye, pool 8
ball, teddy bear, t-shirt, jeans, backpack, crown, top hat, gem stone, bell, headphone, guitar, trumpet, drum,
telephone, laptop, television, camera, light bulb, money bag, envelope, pencil, scissors, locked, key, hammer,
bomb, magnet, door, alarm clock, hourglass done, anchor, red heart, ghost, alien, robot, skull
"""

CLASSES: tuple[str, ...] = tuple(
    name.strip()
    for group in (_ANIMALS, _PLANTS, _FOOD, _TRAVEL, _THINGS)
    for name in group.replace("\n", " ").split(",")
)

#: Name -> sRGB colour of the plain background.
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "gray": (150, 150, 150),
    "light blue": (165, 210, 250),
    "light green": (165, 230, 165),
    "pink": (255, 185, 205),
    "yellow": (255, 235, 130),
    "lavender": (200, 175, 245),
    "navy": (25, 35, 85),
}

#: The first one is the form used in examples and in the demo.
TEMPLATES: tuple[str, ...] = (
    "{name} on a {background} background",
    "{name}, {background} background",
    "emoji of {name} on {background}",
)

#: One combination in this many is never shown in training.
HELD_OUT_EVERY = 20


def is_held_out(name: str, background: str) -> bool:
    """Return whether training never saw this class on this background."""
    # Both factors are prime to the divisor: every class and every background loses some.
    number = CLASSES.index(name) * 7 + list(BACKGROUNDS).index(background) * 3
    return number % HELD_OUT_EVERY == 0


def caption(name: str, background: str, template: int = 0) -> str:
    """Return the prompt that asks for a class on a background."""
    return TEMPLATES[template].format(name=name, background=background)


def sample_prompts(n: int, seed: int, held_out: bool = False) -> list[str]:
    """Return `n` different prompts (as far as there are so many), classes as even as possible.

    Only combinations never trained on if `held_out`, else only trained ones.
    """
    rng = random.Random(seed)
    by_class = {name: [ground for ground in BACKGROUNDS if is_held_out(name, ground) is held_out] for name in CLASSES}
    drawn: list[str] = []
    while any(by_class.values()):
        # Every round draws each class once, on its next background.
        round_of = [name for name, grounds in by_class.items() if grounds]
        rng.shuffle(round_of)
        drawn += [caption(name, by_class[name].pop()) for name in round_of]
    return list(islice(cycle(drawn), n))


def words(text: str) -> str:
    """Lower-case a text, with single spaces around its words: what stands in it as whole words is a substring."""
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "


def _longest(names: Iterable[str], text: str) -> str | None:
    found = [name for name in names if words(name) in text]
    return max(found, key=len, default=None)


def parse(prompt: str) -> tuple[str, str]:
    """Return the (class, background) that a prompt asks for; the inverse of `caption`."""
    text = words(prompt)
    name = _longest(CLASSES, text)
    # The background is looked for in what the class leaves over ("pink ..." as a class name).
    rest = text.replace(words(name), " , ", 1) if name else text
    background = _longest(BACKGROUNDS, rest)
    if name is None or background is None:
        raise ZooError(
            given=f"the prompt {prompt!r}",
            expected=f"one of {len(CLASSES)} classes on one of {', '.join(BACKGROUNDS)}",
            mend=f"write for instance {caption('fox', 'light blue')!r}; evocache.zoo.prompts.CLASSES lists the classes",
        )
    return name, background


#: Sixteen prompts of different kinds, colours and backgrounds.
DEMO_PROMPTS: tuple[str, ...] = tuple(
    caption(*pair)
    for pair in (
        ("fox", "light blue"),
        ("red heart", "white"),
        ("rocket", "navy"),
        ("hamburger", "light green"),
        ("penguin", "pink"),
        ("Christmas tree", "lavender"),
        ("pizza", "gray"),
        ("airplane", "yellow"),
        ("jack-o-lantern", "navy"),
        ("strawberry", "light blue"),
        ("panda", "light green"),
        ("guitar", "white"),
        ("rainbow", "gray"),
        ("cactus", "pink"),
        ("robot", "yellow"),
        ("birthday cake", "lavender"),
    )
)
