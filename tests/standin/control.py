# SPDX-License-Identifier: Apache-2.0
"""The tests' own endpoints under /__standin__, a path no Qdrant has."""
from . import jsonio
from .errors import Refusal
from .faults import parse_rules
from .messages import Request
from .urls import decode_form

PREFIX = "/__standin__/"


def handle(server, request: Request):
    """The JSON value to answer with."""
    what, _, rest = request.path[len(PREFIX):].partition("/")
    action = ACTIONS.get((request.method, what))
    if action is None:
        raise Refusal(404, f"no {request.method} {request.path} here; see tests/standin/README.md")
    body = jsonio.decode(request.body) if request.body else {}
    return action(server, body, rest)


def add_faults(server, body, rest):
    server.faults.add(parse_rules(body))
    return True


def show_faults(server, body, rest):
    return server.faults.show()


def clear_faults(server, body, rest):
    server.faults.clear()
    return True


def show_log(server, body, rest):
    return server.record.show()


def clear_log(server, body, rest):
    server.record.clear()
    return True


def set_apply_delay(server, body, rest):
    server.pace.apply_delay_ms = float(body["ms"])
    return True


def set_default_wait(server, body, rest):
    server.pace.default_wait_ms = None if body["ms"] is None else float(body["ms"])
    return True


def set_merge_chance(server, body, rest):
    server.behaviour.merge_chance = float(body["chance"])
    return True


def pause(server, body, rest):
    server.pace.is_paused = True
    return True


def resume(server, body, rest):
    server.pace.is_paused = False
    for collection in server.store.collections.values():
        collection.updates.schedule()
    return True


def reset(server, body, rest):
    """Everything as after the start: no collections, no faults, no log, the command line's pace."""
    clear_faults(server, body, rest)
    clear_log(server, body, rest)
    resume(server, body, rest)
    server.forget_everything()
    return True


def dump(server, body, rest):
    """Every point of a collection, in scroll order, with everything it has."""
    collection = server.store.resolve(decode_form(rest.replace("+", "%2B")))
    return [collection.show_point(point_id, row, True, True) for point_id, row in collection.rows.scan(None, None)]


def state(server, body, rest):
    collections = {name: {"queued": len(collection.updates.queue), "failed_later": collection.updates.failed_later,
                          "operations": collection.updates.next_number}
                   for name, collection in server.store.collections.items()}
    return {"connections": len(server.connections), "requests": server.request_count, "collections": collections,
            "paused": server.pace.is_paused}


ACTIONS = {
    ("POST", "faults"): add_faults, ("GET", "faults"): show_faults, ("DELETE", "faults"): clear_faults,
    ("GET", "log"): show_log, ("DELETE", "log"): clear_log,
    ("POST", "apply_delay"): set_apply_delay, ("POST", "default_wait"): set_default_wait,
    ("POST", "merge_upserts"): set_merge_chance, ("POST", "pause"): pause, ("POST", "resume"): resume,
    ("POST", "reset"): reset,
    ("GET", "dump"): dump, ("GET", "state"): state,
}
