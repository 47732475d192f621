"""Frames against `static/schema/protocol.json`, more strictly than a client has to be: fields that the schema does not
name are mistakes here, and a response is that of its request."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[2] / "static/schema"


def load(name: str) -> dict:
    return json.loads((SCHEMAS / f"{name}.json").read_text())


def closed(schema):
    """The schema, with objects that have no further fields."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


def check(document: dict, pointer: str, value) -> None:
    schema = {**closed(document), "$ref": f"#{pointer}"}
    # The document itself is an alternative of all frames.
    schema.pop("anyOf", None)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    mistakes = [f"{mistake.json_path}: {mistake.message}" for mistake in validator.iter_errors(value)]
    if mistakes:
        raise AssertionError(f"{json.dumps(value)} is no {pointer}:\n  " + "\n  ".join(mistakes))


class Frames:
    """The frames of a conversation, in their order."""

    def __init__(self) -> None:
        self.document = load("protocol")
        self.actions = {}
        self.seen = set()

    def check(self, frame: dict) -> None:
        names = self.names(frame)
        assert names, f"no schema for {json.dumps(frame)}"
        mistakes = []
        for name in names:
            try:
                check(self.document, f"/$defs/{name}", frame)
                self.seen.add(name)
                return
            except AssertionError as error:
                mistakes.append(str(error))
        raise AssertionError("\n".join(mistakes))

    def names(self, frame: dict) -> list:
        """The definitions that a frame may be one of."""
        definitions = self.document["$defs"]
        match frame["type"]:
            case "request":
                self.actions[frame["id"]] = frame["action"]
                return [pascal(frame["action"]) + "Request"]
            case "response":
                return [pascal(self.actions[frame["id"]]) + "Response"]
            case "notification":
                event = frame["data"]["event"]
                is_event = lambda data: data["properties"]["event"]["const"] == event
                events = [name for name in definitions if name.endswith("Notification")]
                return [name for name in events if is_event(definitions[name]["properties"]["data"])]
            case other:
                return [other.capitalize()]


def pascal(action: str) -> str:
    return "".join(word.capitalize() for word in action.split("_"))
