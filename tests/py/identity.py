"""Tokens as a backend in Python makes them (PyJWT), over Python's websockets. Arguments: URL, secret."""

import json
import sys
import time

import jwt
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

WITHIN_S = 20


def read(socket) -> dict:
    return json.loads(socket.recv(timeout=WITHIN_S))


def ask(socket, action: str, payload: dict) -> dict:
    socket.send(json.dumps({"id": action, "type": "request", "action": action, "payload": payload}))
    while (frame := read(socket)).get("id") != action:
        assert frame["type"] == "notification", frame
    return frame


def main(url: str, secret: str) -> None:
    def token(algorithm: str = "HS256", key: str = secret, **claims) -> str:
        return jwt.encode({"sub": "ann", "iat": int(time.time()), **claims}, key, algorithm=algorithm)

    header = {"Authorization": "Bearer " + token(channels=["lobby"], exp=int(time.time()) + 60)}
    with connect(url, additional_headers=header, proxy=None) as socket:
        assert read(socket)["data"]["user"] == "ann"
        assert read(socket)["data"]["event"] == "subscribed"
        answer = ask(socket, "authenticate", {"token": token(subscribe=["room:*"], exp=time.time() + 3600)})
        assert answer["data"]["user"] == "ann" and answer["data"]["expires_at"] > time.time() * 1000, answer
        assert ask(socket, "subscribe", {"channel": "room:7"})["type"] == "response"
    with connect(f"{url}?token={token(sub='bob')}", proxy=None) as socket:
        assert read(socket)["data"]["user"] == "bob"
    bad = [
        (token(exp=int(time.time()) - 60), 4002),
        (token(nbf=int(time.time()) + 60), 4501),
        (token(key="another secret of thirty-two bytes!"), 4501),
        (token(algorithm="HS512"), 4501),
        (token(algorithm="none", key=None), 4501),
    ]
    for each, code in bad:
        with connect(f"{url}?token={each}", proxy=None) as socket:
            frame = read(socket)
            assert frame["type"] == "error" and "id" not in frame, frame
            try:
                socket.recv(timeout=WITHIN_S)
                raise AssertionError("it is not closed")
            except ConnectionClosed as closed:
                assert closed.rcvd.code == code, closed
    print(f"{2 + len(bad)} tokens")


main(*sys.argv[1:])
