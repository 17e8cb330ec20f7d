"""Frames of cryptofeed's recordings: ``<receive time>: <frame>`` a line."""

from support.market_data import market_file


def received_frames(name: str) -> list[str]:
    """Return the frames the exchange sent, in order; skip the test where the file is absent."""
    frames = []
    for line in market_file(name).read_text().splitlines():
        stamp, colon, frame = line.partition(": ")
        if colon and stamp.replace(".", "").isdigit():
            frames.append(frame)
    return frames
