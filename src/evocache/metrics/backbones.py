"""The convolutional stacks of AlexNet and VGG16, as perceptual metrics read them. Keys as torchvision names them."""

from __future__ import annotations

from torch import Tensor, nn


class Stack(nn.Module):
    """Convolutions of a classifier, read after some of their rectifiers.

    Attributes:
        taps: positions in `features` whose outputs are read.
        channels: of these outputs.
        least: fewest pixels along a side of the images that it takes.
    """

    taps: tuple[int, ...]
    channels: tuple[int, ...]
    least: int
    features: nn.Sequential

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return features (n, channels, height', width') at each tap, of normalised images (n, 3, height, width)."""
        found = []
        for i, layer in enumerate(self.features):
            images = layer(images)
            if i in self.taps:
                found.append(images)
        return found


class AlexNet(Stack):
    """Krizhevsky 2014 (arXiv 1404.5997), read after all five convolutions."""

    taps = (1, 4, 7, 9, 11)
    channels = (64, 192, 384, 256, 256)
    least = 31

    def __init__(self) -> None:
        rectify = nn.ReLU  # out of place: what is read must not change afterwards
        super().__init__(
            nn.Sequential(
                nn.Conv2d(3, 64, 11, stride=4, padding=2),
                rectify(),
                nn.MaxPool2d(3, 2),
                nn.Conv2d(64, 192, 5, padding=2),
                rectify(),
                nn.MaxPool2d(3, 2),
                nn.Conv2d(192, 384, 3, padding=1),
                rectify(),
                nn.Conv2d(384, 256, 3, padding=1),
                rectify(),
                nn.Conv2d(256, 256, 3, padding=1),
                rectify(),
            )
        )


class VGG16(Stack):
    """Simonyan & Zisserman 2015 (arXiv 1409.1556), configuration D, read at the end of each of its five parts."""

    taps = (3, 8, 15, 22, 29)
    channels = (64, 128, 256, 512, 512)
    least = 16

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        before = 3
        for part, (count, width) in enumerate(zip((2, 2, 3, 3, 3), self.channels, strict=True)):
            layers += [nn.MaxPool2d(2, 2)] if part else []
            for _ in range(count):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
        super().__init__(nn.Sequential(*layers))
