"""A conversation with a server, every frame of it against the schemas. Arguments: URL of the WebSocket, the secret of
tokens. The server has the namespaces `plain` (without history) and `short` (two publications)."""

import json
import sys
import time

import jwt
from protocol import Frames
from websockets.sync.client import connect

WITHIN_S = 20


class Client:
    def __init__(self, url: str, frames: Frames, **headers: str) -> None:
        self.socket, self.frames, self.count = connect(url, proxy=None, additional_headers=headers), frames, 0
        assert self.read()["data"]["event"] == "connected"

    def read(self) -> dict:
        frame = json.loads(self.socket.recv(timeout=WITHIN_S))
        self.frames.check(frame)
        return frame

    def event(self, name: str) -> dict:
        while (frame := self.read())["type"] != "notification" or frame["data"]["event"] != name:
            pass
        return frame["data"]

    def ask(self, action: str, payload: dict) -> dict:
        self.count += 1
        request = {"id": f"{id(self)}-{self.count}", "type": "request", "action": action, "payload": payload}
        self.frames.check(request)
        self.socket.send(json.dumps(request))
        while (frame := self.read()).get("id") != request["id"]:
            pass
        return frame.get("data", frame)


def main(url: str, secret: str) -> None:
    frames = Frames()
    token = jwt.encode({"sub": "ann", "exp": time.time() + 20, "info": {"a": 1}, "channels": ["lobby"]}, secret)
    ann = Client(url, frames, Authorization=f"Bearer {token}")
    ann.event("subscribed")
    bob = Client(f"{url}?heartbeat=app", frames)
    bob.socket.send('{"type":"ping"}')
    assert bob.read()["type"] == "pong"
    bob.ask("echo", {"message": [None]})
    bob.ask("broadcast", {"message": {"a": "b"}})
    bob.event("broadcast")
    bob.ask("get_connections", {})
    bob.ask("subscribe", {"channel": "lobby"})
    ann.event("join")
    bob.ask("publish", {"channel": "lobby", "data": 1, "msg_id": "m", "age_ms": 0, "tags": {"a": "b"}})
    ann.event("publication")
    bob.ask("get_history", {"channel": "lobby", "limit": 10, "reverse": True})
    bob.ask("get_presence", {"channel": "lobby"})
    bob.ask("unsubscribe", {"channel": "lobby"})
    ann.event("leave")
    fresh = jwt.encode({"sub": "ann", "exp": time.time() + 20}, secret)
    ann.ask("authenticate", {"token": fresh, "since": {"lobby": {"epoch": "e", "offset": 1}}})
    ann.event("token_expiring")
    # Without history, and with less of it than was asked for.
    ann.ask("subscribe", {"channel": "plain:a"})
    bob.ask("publish", {"channel": "plain:a", "data": 1})
    ann.event("publication")
    position = bob.ask("subscribe", {"channel": "short:a"})
    bob.ask("unsubscribe", {"channel": "short:a"})
    for data in range(4):
        bob.ask("publish", {"channel": "short:a", "data": data})
    gap = bob.ask("subscribe", {"channel": "short:a", "since": {"epoch": position["epoch"], "offset": 0}})
    assert gap["gap"] == {"from": 1, "to": 2}, gap
    bob.ask("unsubscribe", {"channel": "short:a"})
    other = bob.ask("subscribe", {"channel": "short:a", "since": {"epoch": "other", "offset": 0}})
    assert other["gap"] == {"epoch": "other"}, other
    for action, payload in [
        ("subscribe", {"channel": "nowhere:1"}),
        ("subscribe", {"channel": "short:a"}),
        ("unsubscribe", {"channel": "lobby"}),
        ("authenticate", {"token": "x"}),
        ("get_history", {"channel": "short:a", "since": {"epoch": "other", "offset": 0}}),
    ]:
        assert bob.ask(action, payload)["type"] == "error"
    ann.socket.close()
    bob.socket.close()
    print(f"{len(frames.seen)} kinds of frames")


main(*sys.argv[1:])
