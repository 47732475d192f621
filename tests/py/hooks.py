"""What schemathesis has to know beside the OpenAPI document. RIGHTS in the environment says what the key of this run
may do: `admin`, `read`, or `none` where there is no key."""

import itertools
import os

import requests
import schemathesis

RIGHTS, URL = os.environ["RIGHTS"], os.environ["URL"]

# Limits are in bytes, and a schema counts characters.
CHANNEL_BYTES_MAX = 255
TEXT_BYTES_MAX = {"msg_id": 128, "reason": 123}

# Each second request is about somebody who is there.
turns = itertools.cycle([True, False])

# `next` of the pages that were answered. A cursor that no page gave out is refused.
cursors = set()


def a_connection() -> str:
    """The id of one that is open. They come back after they are closed."""
    listed = requests.get(f"{URL}/api/v1/connections", headers={"X-API-Key": RIGHTS}, timeout=20)
    connections = listed.json()["connections"]
    return connections[0]["connection_id"] if connections else "00000000-0000-0000-0000-000000000000"


def is_positive(case) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def is_too_long(text, bytes_max: int) -> bool:
    return isinstance(text, str) and len(text.encode("utf-8", "replace")) > bytes_max


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    """Makes requests that the schema allows valid in what no schema can say."""
    if not is_positive(case):
        return
    if RIGHTS != "none" and next(turns):
        there = {"id": a_connection, "user": lambda: "ann", "channel": lambda: "news"}
        for name in there.keys() & case.path_parameters.keys():
            case.path_parameters[name] = there[name]()
    if is_too_long(case.path_parameters.get("channel"), CHANNEL_BYTES_MAX):
        case.path_parameters["channel"] = "news"
    if case.query.get("after") not in cursors:
        case.query.pop("after", None)
    # The two are one position.
    if ("since_epoch" in case.query) != ("since_offset" in case.query):
        case.query.pop("since_epoch", None)
        case.query.pop("since_offset", None)
    if isinstance(case.body, dict):
        # From 2^50 on, a whole number has no fraction.
        if isinstance(case.body.get("age_ms"), float):
            case.body["age_ms"] = int(case.body["age_ms"])
        for field, bytes_max in TEXT_BYTES_MAX.items():
            if is_too_long(case.body.get(field), bytes_max):
                case.body[field] = "a"
        # The header is another spelling of `msg_id`.
        if case.body.get("msg_id") is not None:
            case.headers.pop("Idempotency-Key", None)
        # A repeat has an id.
        elif "Idempotency-Key" not in case.headers:
            case.body.pop("age_ms", None)


@schemathesis.hook
def after_call(context, case, response) -> None:
    if response.status_code == 200 and "json" in "".join(response.headers.get("content-type", [])):
        found = response.json()
        if isinstance(found, dict) and isinstance(found.get("next"), str):
            cursors.add(found["next"])


@schemathesis.check
def the_key_does_what_it_may(context, response, case) -> None:
    if not case.path.startswith("/api/v1"):
        return
    if RIGHTS == "none":
        assert response.status_code == 401, f"{response.status_code} without a key"
    is_write = case.method in ("POST", "PUT", "DELETE") and case.path != "/api/v1/batch"
    if RIGHTS == "read" and is_write:
        assert response.status_code >= 400, f"{response.status_code} with a key that only reads"
