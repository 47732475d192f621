"""A subscriber over Python's websockets that loses its connection and comes back. Arguments: URL, channel, and how many
are published before, while and after it is away."""

import itertools
import json
import socket as sockets
import sys

from websockets.sync.client import connect

WITHIN_S = 20


class Client:
    """A connection that keeps events until they are asked for."""

    def __init__(self, url: str) -> None:
        self.socket = connect(url, subprotocols=["ws.json.v1"], proxy=None)
        self.events = []
        self.ids = itertools.count(1)
        assert self.event()["event"] == "connected"

    def read(self) -> dict:
        return json.loads(self.socket.recv(timeout=WITHIN_S))

    def event(self) -> dict:
        if self.events:
            return self.events.pop(0)
        frame = self.read()
        assert frame["type"] == "notification", frame
        return frame["data"]

    def request(self, action: str, payload: dict) -> dict:
        own = str(next(self.ids))
        self.socket.send(json.dumps({"id": own, "type": "request", "action": action, "payload": payload}))
        while (frame := self.read())["type"] == "notification":
            self.events.append(frame["data"])
        assert (frame["id"], frame["type"]) == (own, "response"), frame
        return frame["data"]

    def lose(self) -> None:
        """Ends the connection without a close frame."""
        self.socket.socket.shutdown(sockets.SHUT_RDWR)

    def close(self) -> None:
        self.socket.close()
        assert self.socket.close_code == 1000, self.socket.close_code


def publish(publisher: Client, channel: str, offsets: range) -> None:
    for n in offsets:
        data = publisher.request("publish", {"channel": channel, "data": {"n": n}})
        assert data["offset"] == n, data


def read(subscriber: Client, channel: str, offsets: range) -> None:
    for n in offsets:
        event = subscriber.event()
        assert event["event"] == "publication", event
        assert (event["channel"], event["offset"], event["data"]) == (channel, n, {"n": n}), event


def main(url: str, channel: str, before: int, away: int, after: int) -> None:
    publisher, subscriber = Client(url), Client(url)
    position = subscriber.request("subscribe", {"channel": channel})
    assert position["offset"] == 0, position
    seen, missed = range(1, before + 1), range(before + 1, before + away + 1)
    publish(publisher, channel, seen)
    read(subscriber, channel, seen)
    subscriber.lose()
    publish(publisher, channel, missed)
    subscriber = Client(url)
    since = {"epoch": position["epoch"], "offset": before}
    answer = subscriber.request("subscribe", {"channel": channel, "since": since})
    fields = {"channel": channel, "epoch": position["epoch"], "offset": before + away}
    assert answer == {**fields, "after": before, "recovered": True}, answer
    read(subscriber, channel, missed)
    live = range(before + away + 1, before + away + after + 1)
    publish(publisher, channel, live)
    read(subscriber, channel, live)
    subscriber.close()
    publisher.close()
    print(f"{live[-1]} publications")


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
