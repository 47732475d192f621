"""The JSON in documents against the schemas. Arguments: documents. A `json` block holds frames, or what the comment
`<!-- schema: NAME -->` above it says: a schema of `static/schema/openapi.json`."""

import json
import re
import sys
from pathlib import Path

from protocol import Frames, check, load

BLOCK = re.compile(r"(?:^<!-- schema: (\w+) -->\n)?^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def values(text: str) -> list:
    """One value over several lines, or one on each line."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines()]


def is_refused(request: dict, others: list) -> bool:
    """Whether a request is answered with `invalid_payload` beside it."""
    answers = [other["error"]["code"] for other in others if other["type"] == "error" and other.get("id") == request["id"]]
    return answers == ["invalid_payload"]


def check_frame(frames: Frames, frame: dict, others: list) -> None:
    if frame["type"] != "request" or not is_refused(frame, others):
        return frames.check(frame)
    try:
        frames.check(frame)
    except AssertionError:
        return
    raise AssertionError(f"the schema allows {json.dumps(frame)}, and the server refuses it")


def main(paths: list) -> None:
    openapi, count = load("openapi"), 0
    for path in paths:
        document, frames = Path(path).read_text(), Frames()
        blocks = list(BLOCK.finditer(document))
        assert len(blocks) == document.count("\n```json\n"), f"{path}: a block is not read"
        for block in blocks:
            name, text = block.groups()
            line = document.count("\n", 0, block.start()) + 1
            in_block = values(text)
            for value in in_block:
                try:
                    if name:
                        check(openapi, f"/components/schemas/{name}", value)
                    else:
                        check_frame(frames, value, in_block)
                except (AssertionError, KeyError, TypeError) as error:
                    sys.exit(f"{path}:{line}: {error!r}")
                count += 1
    print(f"{count} examples")


main(sys.argv[1:])
