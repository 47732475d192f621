"""The examples of the first version over Python's websockets. Arguments: URL, and a JSON array of [request, expected answer]."""

import json
import sys
import uuid

from websockets.sync.client import connect

WITHIN_S = 20


def main(url: str, examples: str) -> None:
    pairs = json.loads(examples)
    events = []
    with connect(url, subprotocols=["ws.json.v1"], proxy=None) as socket:
        assert socket.subprotocol == "ws.json.v1", socket.subprotocol

        def read() -> dict:
            text = socket.recv(timeout=WITHIN_S)
            assert isinstance(text, str), text
            return json.loads(text)

        connected = read()
        assert connected["data"]["event"] == "connected", connected
        uuid.UUID(connected["data"]["connection_id"])
        for request, answer in pairs:
            socket.send(request)
            while (frame := read())["type"] == "notification":
                events.append(frame["data"])
            assert frame == answer, (frame, answer)
        while not events:
            events.append(read()["data"])
        sender = {"connection_id": connected["data"]["connection_id"], "user": None}
        assert events == [{"event": "broadcast", "message": "Hello everyone!", "from": sender}], events
        assert socket.ping().wait(WITHIN_S)
    assert socket.close_code == 1000, socket.close_code
    print(f"{len(pairs)} examples")


main(*sys.argv[1:])
