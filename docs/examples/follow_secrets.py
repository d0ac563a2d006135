"""A workload on the plain API, with Python's standard library: python3 follow_secrets.py PATH...

It logs in with its pod's token, reads the secrets, waits until one of them changes, reads it again and acknowledges it.
"""

import http.client
import json
import os
import random
import ssl
import sys
import time
from urllib.parse import urlsplit

URL = urlsplit(os.environ["QUAYMASTER_URL"])
TRIES = 4


def pod_token():
    """The kubelet replaces the file long before its token expires, so the program reads it each time."""
    with open(os.environ["QUAYMASTER_TOKEN_FILE"], encoding="ascii") as file:
        return file.read().strip()


def connect(timeout):
    # http.client follows no redirect; urllib would send the token to the new location.
    if URL.scheme == "http":
        return http.client.HTTPConnection(URL.hostname, URL.port, timeout=timeout)
    context = ssl.create_default_context(cafile=os.environ.get("QUAYMASTER_CA_FILE"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return http.client.HTTPSConnection(URL.hostname, URL.port, timeout=timeout, context=context)


class Refused(Exception):
    """A refusal of the broker: its code, its text and the id under which it logged the request."""


def send(connection, method, path, session, body):
    headers = {"Authorization": "Bearer " + session} if session else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
    return connection.getresponse()


def call(method, path, session=None, body=None):
    """All calls below are safe to repeat. Never repeat an unsafe call (a write without If-Match) after a lost answer."""
    for attempt in range(TRIES):
        wait = 0
        connection = connect(timeout=30)
        try:
            response = send(connection, method, path, session, body)
            text = response.read()
            if response.status < 300:
                return json.loads(text) if text else None
            if response.status not in (429, 502, 503, 504) or attempt == TRIES - 1:
                problem = json.loads(text)
                raise Refused(f"{problem['code']}: {problem['title']} (request {problem['requestId']})")
            wait = int(response.headers.get("Retry-After", 0))
        except (OSError, http.client.HTTPException):
            if attempt == TRIES - 1:
                raise
        finally:
            connection.close()
        # Waits for Retry-After plus a random delay, so that not all pods retry at once.
        time.sleep(wait + random.random() * 0.2 * 2**attempt)


def events(session):
    """Pairs of event and data. A comment arrives every 15 seconds: a stream without data for 45 seconds is dead."""
    connection = connect(timeout=45)
    response = send(connection, "GET", "/events", session, None)
    if response.status != 200:
        raise Refused(json.loads(response.read())["code"])
    event = ""
    for line in response:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            yield event, json.loads(value)
    connection.close()


def main(paths):
    login = {"cluster": os.environ["QUAYMASTER_CLUSTER"], "token": pod_token()}
    session = call("POST", "/sessions", body=login)["token"]

    answer = call("POST", "/secrets:batch", session, {"items": [{"path": path} for path in paths]})
    for item in answer["items"]:
        # item["data"] has the values: give them to the application, print none.
        print(item["path"], item["error"]["code"] if "error" in item else "version " + item["version"], flush=True)

    for event, data in events(session):
        if event == "ready":
            print("following", flush=True)
        if event == "secret.changed":
            secret = call("GET", "/secrets/" + data["path"], session)
            print(f"{secret['path']} changed, version {secret['version']}", flush=True)
            items = [{"path": secret["path"], "version": secret["version"]}]
            call("POST", "/acknowledgements", session, {"items": items})
            break

    call("POST", "/sessions/self/renew", session, {"token": pod_token()})
    print("renewed")
    call("DELETE", "/sessions/self", session)


if __name__ == "__main__":
    main(sys.argv[1:])
